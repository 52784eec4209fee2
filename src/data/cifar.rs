//! CIFAR-10 from its own binary files.

use super::Dataset;
use super::bytes::Bytes;
use super::samples::Stored;
use crate::{Error, Result};
use std::io::Read;
use std::path::Path;

const CLASSES: [&str; 10] = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];
const TRAIN: [&str; 5] =
    ["data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"];
const TEST: [&str; 1] = ["test_batch.bin"];
const ARCHIVE: &str = "cifar-10-binary.tar.gz";
/// A label, then 1,024 bytes each of red, green and blue.
const RECORD: usize = 1 + 3 * 1_024;

impl Dataset {
    /// The 50,000 training images of CIFAR-10 (Krizhevsky 2009), 3 x 32 x 32, 10 classes, from a folder that holds
    /// `cifar-10-binary.tar.gz`, or what is in it: `data_batch_1.bin` to `data_batch_5.bin`.
    ///
    /// [`fetch`](Self::fetch) gets it by name.
    ///
    /// # Errors
    /// A file that is not there, or is broken; the error names it.
    ///
    /// ```no_run
    /// use noisebook::prelude::*;
    /// let cifar = Dataset::cifar10(Dataset::fetch("cifar-10")?)?.flip(0)?;
    /// assert_eq!(cifar.shape(), [50_000, 3, 32, 32]);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn cifar10(path: impl AsRef<Path>) -> Result<Self> {
        read("cifar-10", path.as_ref(), &TRAIN)
    }

    /// The 10,000 test images of CIFAR-10, from `test_batch.bin`: as [`cifar10`](Self::cifar10).
    ///
    /// # Errors
    /// A file that is not there, or is broken; the error names it.
    ///
    /// ```no_run
    /// use noisebook::prelude::*;
    /// assert_eq!(Dataset::cifar10_test("data/cifar-10")?.len(), 10_000);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn cifar10_test(path: impl AsRef<Path>) -> Result<Self> {
        read("cifar-10 test", path.as_ref(), &TEST)
    }
}

fn read(name: &str, path: &Path, files: &[&str]) -> Result<Dataset> {
    let folders = [path.to_path_buf(), path.join("cifar-10-batches-bin")];
    let archives = [path.to_path_buf(), path.join(ARCHIVE)];
    let parts = if let Some(folder) = folders.iter().find(|folder| folder.join(files[0]).is_file()) {
        let part = |file: &&str| {
            let path = folder.join(file);
            std::fs::read(&path)
                .map_err(|error| Error::argument("path", path.display(), format!("cannot be read: {error}")))
        };
        files.iter().map(part).collect::<Result<Vec<_>>>()?
    } else if let Some(archive) = archives.iter().find(|archive| archive.is_file()) {
        unpack(archive, files)?
    } else {
        let rule = format!("is no folder with {} or {ARCHIVE} in it; Dataset::fetch(\"cifar-10\")? gets it", files[0]);
        return Err(Error::argument("path", path.display(), rule));
    };
    let (mut pixels, mut labels) = (Vec::new(), Vec::new());
    for (part, file) in parts.into_iter().zip(files) {
        if part.is_empty() || part.len() % RECORD != 0 {
            let rule = format!("holds {} bytes, and an image takes {RECORD}", part.len());
            return Err(Error::argument("CIFAR file", file, rule));
        }
        for record in part.chunks_exact(RECORD) {
            labels.push(i64::from(record[0]));
            pixels.extend_from_slice(&record[1..]);
        }
    }
    let stored = Stored::new(Bytes::Memory(pixels), [3, 32, 32]);
    Dataset::stored(name, stored, &labels, CLASSES.map(String::from).to_vec())
}

/// These files out of a gzipped tar archive, whatever folder they lie in there.
fn unpack(archive: &Path, files: &[&str]) -> Result<Vec<Vec<u8>>> {
    let wrong = |rule: String| Error::argument("path", archive.display(), rule);
    let broken = |error: std::io::Error| wrong(format!("is no whole tar.gz archive: {error}"));
    let file = std::fs::File::open(archive).map_err(|error| wrong(format!("cannot be read: {error}")))?;
    let mut tar = flate2::read::GzDecoder::new(std::io::BufReader::new(file));
    let mut found: Vec<Option<Vec<u8>>> = vec![None; files.len()];
    let mut header = [0; 512];
    while found.iter().any(Option::is_none) {
        tar.read_exact(&mut header).map_err(broken)?;
        if header.iter().all(|&byte| byte == 0) {
            break;
        }
        // A block of 512 bytes: the name at 0, the size as octal digits at 124, then the file, filled up to whole blocks.
        let text = |field: &[u8]| {
            String::from_utf8_lossy(field.split(|&byte| byte == 0).next().unwrap_or_default()).trim().to_string()
        };
        let name = text(&header[..100]);
        let size = u64::from_str_radix(&text(&header[124..136]), 8)
            .map_err(|_| wrong("is no tar.gz archive: a size in it is no number".into()))?;
        let mut content = (&mut tar).take(size.next_multiple_of(512));
        match files.iter().position(|file| name.rsplit('/').next() == Some(file)) {
            Some(index) => {
                let mut bytes = Vec::new();
                content.read_to_end(&mut bytes).map_err(broken)?;
                bytes.truncate(size as usize);
                found[index] = Some(bytes);
            }
            None => {
                std::io::copy(&mut content, &mut std::io::sink()).map_err(broken)?;
            }
        }
    }
    let missing = |index: usize| wrong(format!("holds no {}", files[index]));
    found.into_iter().enumerate().map(|(index, bytes)| bytes.ok_or_else(|| missing(index))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::fixtures::Folder;
    use crate::data::idx::tests::gzip;

    fn record(label: u8, red: u8, green: u8, blue: u8) -> Vec<u8> {
        [vec![label], vec![red; 1_024], vec![green; 1_024], vec![blue; 1_024]].concat()
    }

    /// A tar archive as `tar` writes it: header, content, filling; two empty blocks at the end.
    fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (name, content) in files {
            let mut header = [0; 512];
            header[..name.len()].copy_from_slice(name.as_bytes());
            header[124..136].copy_from_slice(format!("{:011o}\0", content.len()).as_bytes());
            bytes.extend(header);
            bytes.extend(*content);
            bytes.resize(bytes.len().next_multiple_of(512), 0);
        }
        bytes.resize(bytes.len() + 1_024, 0);
        bytes
    }

    #[test]
    fn batches_and_the_archive_are_read() {
        let folder = Folder::new("cifar");
        for (index, file) in TRAIN.iter().enumerate() {
            folder.write(&format!("cifar-10-batches-bin/{file}"), &record(index as u8, 255, 0, 51));
        }
        let cifar = Dataset::cifar10(folder.path()).unwrap();
        assert_eq!((cifar.shape(), cifar.classes()[6].as_str()), (vec![5, 3, 32, 32], "frog"));
        assert_eq!(Vec::<i64>::try_from(cifar.labels()).unwrap(), [0, 1, 2, 3, 4]);
        let at = |channel| cifar.image(4).unwrap().double_value(&[channel, 31, 31]);
        assert_eq!((at(0), at(1)), (1.0, -1.0));
        assert!((at(2) + 0.6).abs() < 1e-6);

        let test = [record(3, 1, 2, 3), record(9, 4, 5, 6)].concat();
        let archive =
            tar(&[("cifar-10-batches-bin/readme.html", b"hello"), ("cifar-10-batches-bin/test_batch.bin", &test)]);
        folder.write(ARCHIVE, &gzip(&archive));
        for path in [folder.path().to_path_buf(), folder.path().join(ARCHIVE)] {
            let test = Dataset::cifar10_test(path).unwrap();
            assert_eq!((test.name(), Vec::<i64>::try_from(test.labels()).unwrap()), ("cifar-10 test", vec![3, 9]));
        }
    }

    #[test]
    fn a_file_that_is_missing_or_wrong_is_named() {
        let folder = Folder::new("cifar-wrong");
        let shown = folder.path().display().to_string();
        let said = || Dataset::cifar10_test(folder.path()).unwrap_err().to_string();
        let get = "in it; Dataset::fetch(\"cifar-10\")? gets it";
        assert_eq!(said(), format!("path = {shown}: is no folder with test_batch.bin or {ARCHIVE} {get}"));
        folder.write(ARCHIVE, &gzip(&tar(&[("readme", b"hello")])));
        assert_eq!(said(), format!("path = {shown}/{ARCHIVE}: holds no test_batch.bin"));
        folder.write(ARCHIVE, b"no archive");
        assert!(said().starts_with(&format!("path = {shown}/{ARCHIVE}: is no whole tar.gz archive: ")), "{}", said());
        folder.write("test_batch.bin", &[0; 3_000]);
        assert_eq!(said(), "CIFAR file = test_batch.bin: holds 3000 bytes, and an image takes 3073");
    }
}
