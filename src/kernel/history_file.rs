//! The file that keeps the history: a line of JSON for each cell. Several kernels write to it.

use super::history::Entry;
use super::{Result, environment};
use serde_json::{Value, json};
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// When the file has grown to this size, the older half goes.
const LARGEST: u64 = 4 * 1024 * 1024;
/// Longer cells are not kept.
const LONGEST_INPUT: usize = 100_000;
/// No cell waits longer than that for another kernel that writes.
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_millis(10);

/// The file of one user.
#[derive(Debug)]
pub struct HistoryFile {
    path: PathBuf,
}

impl HistoryFile {
    pub fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// In the user's data folder, if there is one.
    pub fn of_user() -> Option<Self> {
        let folder = environment::user_folder("XDG_DATA_HOME", ".local/share").ok()?;
        Some(Self::new(folder.join("noisebook/history.jsonl")))
    }

    /// What can be read of it.
    pub fn read(&self) -> Vec<Entry> {
        let bytes = self.newest(2 * LARGEST).unwrap_or_default();
        bytes.split(|&byte| byte == b'\n').filter_map(parse).collect()
    }

    /// Adds a cell; gives the number of its session, which is a new one if there was none.
    pub fn append(&self, session: Option<i64>, line: u64, input: &str) -> Result<i64> {
        if input.len() > LONGEST_INPUT {
            return Err(format!("it has {} bytes, more than {LONGEST_INPUT}", input.len()).into());
        }
        if let Some(folder) = self.path.parent() {
            fs::create_dir_all(folder)?;
        }
        let _lock = lock(&self.path.with_extension("lock"))?;
        let newest = || self.read().iter().map(|entry| entry.session).max().unwrap_or(0);
        let session = session.unwrap_or_else(|| newest() + 1);
        let mut file = self.open()?;
        if file.metadata()?.len() >= LARGEST {
            self.shorten()?;
            file = self.open()?;
        }
        let mut text = format!("{}\n", json!({ "session": session, "line": line, "input": input }));
        // A kernel that was killed while it wrote left half a line.
        if file.seek(SeekFrom::End(-1)).is_ok() {
            let mut last = [0];
            file.read_exact(&mut last)?;
            if last != *b"\n" {
                text.insert(0, '\n');
            }
        }
        file.write_all(text.as_bytes())?;
        Ok(session)
    }

    fn open(&self) -> std::io::Result<File> {
        // What a person types is nobody else's business.
        OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(&self.path)
    }

    fn shorten(&self) -> Result<()> {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        let mut rest = tempfile::NamedTempFile::new_in(folder)?;
        rest.write_all(&self.newest(LARGEST / 2)?)?;
        rest.persist(&self.path)?;
        Ok(())
    }

    /// The last lines of the file, of about that many bytes.
    fn newest(&self, bytes: u64) -> std::io::Result<Vec<u8>> {
        let mut file = File::open(&self.path)?;
        let length = file.metadata()?.len();
        let skipped = length.saturating_sub(bytes);
        file.seek(SeekFrom::Start(skipped))?;
        let mut text = Vec::new();
        file.take(bytes).read_to_end(&mut text)?;
        if skipped > 0 {
            let line = text.iter().position(|&byte| byte == b'\n').map_or(text.len(), |at| at + 1);
            text.drain(..line);
        }
        Ok(text)
    }
}

/// The cell in a line; none if the line is no such thing.
fn parse(line: &[u8]) -> Option<Entry> {
    let value: Value = serde_json::from_slice(line).ok()?;
    let session = value.get("session")?.as_i64().filter(|session| (1..1 << 40).contains(session))?;
    let line = value.get("line")?.as_u64().filter(|line| (1..1 << 40).contains(line))?;
    let input = value.get("input")?.as_str()?.to_string();
    Some(Entry { session, line, input, output: None })
}

/// Held as long as the file is open. It is a file of its own, since the other one is replaced.
fn lock(path: &Path) -> Result<File> {
    let file = OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
    for _ in 0..TRIES {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(fs::TryLockError::WouldBlock) => std::thread::sleep(PAUSE),
            Err(fs::TryLockError::Error(error)) => return Err(error.into()),
        }
    }
    Err(format!("{} is held by another kernel", path.display()).into())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn file(folder: &tempfile::TempDir) -> HistoryFile {
        HistoryFile::new(folder.path().join("history.jsonl"))
    }

    #[test]
    fn what_is_broken_is_skipped() {
        let folder = tempfile::tempdir().unwrap();
        let file = file(&folder);
        assert_eq!(file.read(), []);
        assert_eq!(file.append(None, 1, "a\n\"é\"").unwrap(), 1);
        let mut text = fs::read(&file.path).unwrap();
        text.extend(b"\xff\xfe\n[]\n{\"session\": -5, \"line\": 1, \"input\": \"x\"}\n\n{\"session\": 9e99}\n{\"sess");
        fs::write(&file.path, text).unwrap();
        assert_eq!(file.append(None, 1, "b").unwrap(), 2);
        let inputs: Vec<_> = file.read().into_iter().map(|entry| (entry.session, entry.input)).collect();
        assert_eq!(inputs, [(1, "a\n\"é\"".to_string()), (2, "b".to_string())]);
        // A file that cannot be written says so to the kernel's log, by way of an error.
        let folder_in_its_place = HistoryFile::new(folder.path().to_path_buf());
        assert!(folder_in_its_place.append(None, 1, "c").is_err() && folder_in_its_place.read().is_empty());
    }

    #[test]
    fn the_file_stays_small() {
        let folder = tempfile::tempdir().unwrap();
        let file = file(&folder);
        let input = "x".repeat(50_000);
        for line in 1..=200 {
            file.append(Some(1), line, &input).unwrap();
            assert!(fs::metadata(&file.path).unwrap().len() <= LARGEST + 60_000);
        }
        assert!(file.append(Some(1), 201, &"x".repeat(LONGEST_INPUT + 1)).is_err());
        let lines: Vec<u64> = file.read().into_iter().map(|entry| entry.line).collect();
        assert!(lines.len() > 40 && lines.windows(2).all(|pair| pair[1] == pair[0] + 1), "{lines:?}");
        assert_eq!(lines.last(), Some(&200));
    }

    #[test]
    fn several_kernels_write_whole_lines_and_take_different_numbers() {
        let folder = tempfile::tempdir().unwrap();
        let kernels: Vec<_> = (0..4)
            .map(|_| {
                let file = file(&folder);
                std::thread::spawn(move || {
                    let session = file.append(None, 1, "first").unwrap();
                    (2..=50).for_each(|line| assert_eq!(file.append(Some(session), line, "more").unwrap(), session));
                    session
                })
            })
            .collect();
        let mut sessions: Vec<_> = kernels.into_iter().map(|kernel| kernel.join().unwrap()).collect();
        sessions.sort_unstable();
        assert_eq!(sessions, [1, 2, 3, 4]);
        assert_eq!(file(&folder).read().len(), 200);
    }
}
