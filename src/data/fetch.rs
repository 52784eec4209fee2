//! Data sets by name, from those who publish them.

use super::{Dataset, cache};
use crate::show::{Bundle, Live, interrupted};
use crate::{Error, Result};
use md5::{Digest, Md5};
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A data set's files, and where they are published.
struct Published {
    name: &'static str,
    mirrors: &'static [&'static str],
    files: &'static [(&'static str, Sum)],
}

/// The MD5 that the authors publish.
#[derive(Clone, Copy)]
enum Sum {
    /// Of the file as it is.
    Packed(&'static str),
    /// Of what is in the gzip file: mirrors have packed it in several ways.
    Unpacked(&'static str),
}

const PUBLISHED: [Published; 3] = [
    Published {
        name: "mnist",
        mirrors: &[
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
            "https://storage.googleapis.com/cvdf-datasets/mnist/",
        ],
        files: &[
            ("train-images-idx3-ubyte.gz", Sum::Unpacked("6bbc9ace898e44ae57da46a324031adb")),
            ("train-labels-idx1-ubyte.gz", Sum::Unpacked("a25bea736e30d166cdddb491f175f624")),
            ("t10k-images-idx3-ubyte.gz", Sum::Unpacked("2646ac647ad5339dbf082846283269ea")),
            ("t10k-labels-idx1-ubyte.gz", Sum::Unpacked("27ae3e4e09519cfbb04c329615203637")),
        ],
    },
    Published {
        name: "fashion-mnist",
        mirrors: &[
            "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        ],
        files: &[
            ("train-images-idx3-ubyte.gz", Sum::Packed("8d4fb7e6c68d591d4c3dfef9ec88bf0d")),
            ("train-labels-idx1-ubyte.gz", Sum::Packed("25c81989df183df01b3e8a0aad5dffbe")),
            ("t10k-images-idx3-ubyte.gz", Sum::Packed("bef4ecab320f06d8554ea6380940ec79")),
            ("t10k-labels-idx1-ubyte.gz", Sum::Packed("bb300cfdad3c16e7a12a480ee83cd310")),
        ],
    },
    Published {
        name: "cifar-10",
        mirrors: &["https://www.cs.toronto.edu/~kriz/", "https://cave.cs.toronto.edu/kriz/"],
        files: &[("cifar-10-binary.tar.gz", Sum::Packed("c32a1d4ab5d03f1284b67883e8d87530"))],
    },
];

/// How long a server may take to answer, or to send the next bytes.
const PATIENCE: Duration = Duration::from_secs(30);

impl Dataset {
    /// The folder of a data set that is fetched by its name, `"mnist"`, `"fashion-mnist"` or `"cifar-10"`: for
    /// [`mnist`](Self::mnist), [`fashion_mnist`](Self::fashion_mnist) and [`cifar10`](Self::cifar10).
    ///
    /// Files that are not there yet are downloaded (12, 31 and 170 MB), their MD5 is compared with the authors', and they stay in
    /// `$XDG_CACHE_HOME/noisebook/data` (`~/.cache/noisebook/data`). Nothing else here opens a connection.
    ///
    /// # Errors
    /// Another name; no network, for which the error names the files, where they are, and where to put them; an interrupt.
    ///
    /// ```no_run
    /// use noisebook::prelude::*;
    /// let folder = Dataset::fetch("mnist")?;
    /// let (train, test) = (Dataset::mnist(&folder)?, Dataset::mnist_test(&folder)?);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn fetch(name: &str) -> Result<PathBuf> {
        let Some(published) = PUBLISHED.iter().find(|published| published.name == name) else {
            let names: Vec<String> = PUBLISHED.iter().map(|published| format!("{:?}", published.name)).collect();
            return Err(Error::argument("name", format!("{name:?}"), format!("there are {}", names.join(", "))));
        };
        published.fetch(&cache::folder()?.join(name), published.mirrors)
    }
}

impl Published {
    fn fetch(&self, folder: &Path, mirrors: &[&str]) -> Result<PathBuf> {
        std::fs::create_dir_all(folder)
            .map_err(|error| Error::argument("folder", folder.display(), format!("cannot be made: {error}")))?;
        let mut live = Live::new();
        let mut drawn = false;
        for (file, sum) in self.files {
            let path = folder.join(file);
            if path.is_file() && sum.check(&path).is_ok() {
                continue;
            }
            let mut causes = Vec::new();
            let fetched = mirrors.iter().any(|mirror| {
                let url = format!("{mirror}{file}");
                let done = download(&url, &path, *sum, &mut |text| {
                    drawn |= live.due() && live.update(&Bundle::text(text)).is_ok();
                });
                done.map_err(|cause| causes.push(format!("{url}: {cause}"))).is_ok()
            });
            if interrupted() {
                return Err(Error::argument(
                    "data set",
                    self.name,
                    "the download was interrupted; fetch goes on with it",
                ));
            }
            if !fetched {
                return Err(self.by_hand(folder, mirrors, &causes));
            }
        }
        if drawn {
            let _ = live.finish(&Bundle::text(format!("{} is in {}", self.name, folder.display())));
        }
        Ok(folder.to_path_buf())
    }

    /// What to do where there is no network.
    fn by_hand(&self, folder: &Path, mirrors: &[&str], causes: &[String]) -> Error {
        let files: Vec<&str> = self.files.iter().map(|(file, _)| *file).collect();
        let rule = format!(
            "could not be fetched ({}). Without a network, put {} into {} (or any folder, and give that to the data set \
             instead of fetch); they are published at {}",
            causes.join("; "),
            files.join(", "),
            folder.display(),
            mirrors.join(" and ")
        );
        Error::argument("data set", self.name, rule)
    }
}

/// Writes beside the path, and moves it there when it is whole.
fn download(url: &str, path: &Path, sum: Sum, say: &mut dyn FnMut(String)) -> Result<(), String> {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_connect(Some(PATIENCE))
        .timeout_recv_response(Some(PATIENCE))
        .user_agent(concat!("noisebook/", env!("CARGO_PKG_VERSION")))
        .build()
        .into();
    let mut answer = agent.get(url).call().map_err(|error| error.to_string())?;
    let length = answer.body().content_length();
    let mut body = answer.body_mut().as_reader();
    let part = path.with_extension(format!("part-{}", std::process::id()));
    let written = (|| {
        let mut file = File::create(&part).map_err(|error| format!("{}: {error}", part.display()))?;
        let (mut buffer, mut done) = (vec![0; 1 << 16], 0u64);
        loop {
            let read = body.read(&mut buffer).map_err(|error| error.to_string())?;
            if read == 0 {
                break;
            }
            if interrupted() {
                return Err("interrupted".into());
            }
            file.write_all(&buffer[..read]).map_err(|error| format!("{}: {error}", part.display()))?;
            done += read as u64;
            let megabytes = |bytes: u64| format!("{:.1}", bytes as f64 / 1e6);
            let of = length.map_or_else(String::new, |length| format!(" of {}", megabytes(length)));
            say(format!("{url}: {}{of} MB", megabytes(done)));
        }
        file.sync_all().map_err(|error| format!("{}: {error}", part.display()))?;
        sum.check(&part)?;
        std::fs::rename(&part, path).map_err(|error| format!("{}: {error}", path.display()))
    })();
    if written.is_err() {
        let _ = std::fs::remove_file(&part);
    }
    written
}

impl Sum {
    fn check(self, path: &Path) -> Result<(), String> {
        let open = File::open(path).map_err(|error| error.to_string())?;
        let (found, expected) = match self {
            Self::Packed(expected) => (md5(open), expected),
            Self::Unpacked(expected) => (md5(flate2::read::GzDecoder::new(std::io::BufReader::new(open))), expected),
        };
        let found = found.map_err(|error| format!("is no whole file: {error}"))?;
        if found == expected { Ok(()) } else { Err(format!("its MD5 is {found} and not {expected}")) }
    }
}

fn md5(mut from: impl Read) -> std::io::Result<String> {
    let (mut sum, mut buffer) = (Md5::new(), vec![0; 1 << 16]);
    loop {
        let read = from.read(&mut buffer)?;
        if read == 0 {
            return Ok(sum.finalize().iter().map(|byte| format!("{byte:02x}")).collect());
        }
        sum.update(&buffer[..read]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::fixtures::Folder;
    use crate::data::idx::tests::gzip;
    use std::io::{BufRead, BufReader};
    use std::net::TcpListener;

    /// A server on this machine that answers each of so many requests with what there is under its path, or 404. A body that
    /// ends in CUT ends there: more was announced.
    fn serve(requests: usize, files: Vec<(&'static str, Vec<u8>)>) -> (String, std::thread::JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/data/", listener.local_addr().unwrap());
        let served = std::thread::spawn(move || {
            let mut asked = Vec::new();
            for _ in 0..requests {
                let (mut stream, _) = listener.accept().unwrap();
                let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
                let path = lines.next().unwrap().unwrap().split(' ').nth(1).unwrap().to_string();
                lines.take_while(|line| line.as_ref().is_ok_and(|line| !line.is_empty())).for_each(drop);
                let file = files.iter().find(|(name, _)| path == format!("/data/{name}"));
                let (status, body) = file.map_or(("404 Not Found", &b""[..]), |(_, body)| ("200 OK", body));
                let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
                let sent = body.strip_suffix(CUT).unwrap_or(body);
                stream.write_all(&[head.as_bytes(), sent].concat()).unwrap();
                asked.push(path);
            }
            asked
        });
        (url, served)
    }

    const CUT: &[u8] = b"\0cut\0";

    // printf hello | md5sum
    const HELLO: Sum = Sum::Packed("5d41402abc4b2a76b9719d911017c592");
    const HELLO_WITHIN: Sum = Sum::Unpacked("5d41402abc4b2a76b9719d911017c592");

    #[test]
    fn files_are_fetched_checked_and_kept() {
        let set = Published { name: "two", mirrors: &[], files: &[("a.bin", HELLO), ("b.gz", HELLO_WITHIN)] };
        let folder = Folder::new("fetch");
        let (empty, first) = serve(2, vec![]);
        let (url, second) = serve(2, vec![("a.bin", b"hello".to_vec()), ("b.gz", gzip(b"hello"))]);
        let path = set.fetch(&folder.path().join("two"), &[&empty, &url]).unwrap();
        assert_eq!(std::fs::read(path.join("a.bin")).unwrap(), b"hello");
        assert_eq!(std::fs::read(path.join("b.gz")).unwrap(), gzip(b"hello"));
        assert_eq!(first.join().unwrap(), ["/data/a.bin", "/data/b.gz"]);
        assert_eq!(second.join().unwrap(), ["/data/a.bin", "/data/b.gz"]);
        // What is there is not asked for again; nobody would answer.
        set.fetch(&path, &["http://127.0.0.1:1/"]).unwrap();
        assert_eq!(std::fs::read_dir(&path).unwrap().count(), 2);
        // A file that has been changed is.
        std::fs::write(path.join("a.bin"), b"jello").unwrap();
        let (url, served) = serve(1, vec![("a.bin", b"hello".to_vec())]);
        set.fetch(&path, &[&url]).unwrap();
        assert_eq!(std::fs::read(path.join("a.bin")).unwrap(), b"hello");
        served.join().unwrap();
    }

    #[test]
    fn without_a_network_the_error_says_what_to_do() {
        let set = Published { name: "one", mirrors: &[], files: &[("a.bin", HELLO)] };
        let folder = Folder::new("fetch-offline");
        let (url, served) = serve(1, vec![("a.bin", b"jello".to_vec())]);
        let nobody = "http://127.0.0.1:1/";
        let error = set.fetch(folder.path(), &[nobody, &url]).unwrap_err().to_string();
        served.join().unwrap();
        let (begin, end) = error.split_once("; ").unwrap();
        assert!(begin.starts_with("data set = one: could not be fetched (http://127.0.0.1:1/a.bin: "), "{begin}");
        // printf jello | md5sum
        let expected = format!(
            "{url}a.bin: its MD5 is 7aa6991a62353dd2761280cf592542dc and not 5d41402abc4b2a76b9719d911017c592). Without a network, \
             put a.bin into {} (or any folder, and give that to the data set instead of fetch); they are published at {nobody} and {url}",
            folder.path().display()
        );
        assert_eq!(end, expected);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_connection_that_is_cut_leaves_no_half_file_and_the_next_call_goes_on() {
        let set = Published { name: "two", mirrors: &[], files: &[("a.bin", HELLO), ("b.gz", HELLO_WITHIN)] };
        let folder = Folder::new("fetch-cut");
        let half = [&gzip(b"hello")[..9], CUT].concat();
        let (url, served) = serve(2, vec![("a.bin", b"hello".to_vec()), ("b.gz", half)]);
        let error = set.fetch(folder.path(), &[&url]).unwrap_err().to_string();
        assert_eq!(served.join().unwrap(), ["/data/a.bin", "/data/b.gz"]);
        assert!(error.starts_with(&format!("data set = two: could not be fetched ({url}b.gz: ")), "{error}");
        let expected = format!(
            "). Without a network, put a.bin, b.gz into {} (or any folder, and give that to the data set instead of fetch); they are \
             published at {url}",
            folder.path().display()
        );
        assert!(error.ends_with(&expected), "{error}");
        let names = |folder: &Path| -> Vec<String> {
            std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
        };
        assert_eq!(names(folder.path()), ["a.bin"]);
        // Only what is missing is asked for.
        let (url, served) = serve(1, vec![("b.gz", gzip(b"hello"))]);
        set.fetch(folder.path(), &[&url]).unwrap();
        assert_eq!(served.join().unwrap(), ["/data/b.gz"]);
        assert_eq!(names(folder.path()).len(), 2);
    }

    #[test]
    fn a_file_that_no_server_has_is_named() {
        let set = Published { name: "one", mirrors: &[], files: &[("a.bin", HELLO)] };
        let folder = Folder::new("fetch-404");
        let (url, served) = serve(1, vec![]);
        let error = set.fetch(folder.path(), &[&url]).unwrap_err().to_string();
        served.join().unwrap();
        let expected = format!(
            "data set = one: could not be fetched ({url}a.bin: http status: 404). Without a network, put a.bin into {} (or any \
             folder, and give that to the data set instead of fetch); they are published at {url}",
            folder.path().display()
        );
        assert_eq!(error, expected);
    }

    #[test]
    fn other_names_are_refused() {
        let error = Dataset::fetch("imagenet").unwrap_err().to_string();
        assert_eq!(error, "name = \"imagenet\": there are \"mnist\", \"fashion-mnist\", \"cifar-10\"");
    }
}
