//! The server's log file: its last lines, and a bound on its size. Must never keep more than two
//! files of the size below.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::EmbeddedError;

const LARGEST_BYTES: u64 = 8 * 1024 * 1024;
const POLL_EVERY: Duration = Duration::from_mins(1);
const TAIL_BYTES: u64 = 8 * 1024;
const TAIL_LINES: usize = 12;

/// Opens the log for a server that is about to start, and returns the position of its first line.
pub(super) fn open(path: &Path) -> Result<(File, u64), EmbeddedError> {
    let opened = bound(path).and_then(|()| {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        let begins_at = file.metadata()?.len();
        Ok((file, begins_at))
    });
    opened.map_err(EmbeddedError::io("open", path))
}

/// The last lines written after `begins_at`.
pub(super) fn tail(path: &Path, begins_at: u64) -> String {
    let read = || -> io::Result<Vec<u8>> {
        let mut file = File::open(path)?;
        let end = file.metadata()?.len();
        file.seek(SeekFrom::Start(begins_at.max(end.saturating_sub(TAIL_BYTES)).min(end)))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let text =
        read().map_or_else(|error| error.to_string(), |bytes| String::from_utf8_lossy(&bytes).into_owned());
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
}

/// Keeps the log bounded while the server runs.
pub(super) async fn keep_bounded(path: PathBuf) {
    loop {
        tokio::time::sleep(POLL_EVERY).await;
        if let Err(error) = bound(&path) {
            tracing::warn!(path = %path.display(), %error, "cannot shorten the Postgres log");
        }
    }
}

/// Copies a large log aside and empties it in place: the server appends through a descriptor of its own.
fn bound(path: &Path) -> io::Result<()> {
    match fs::metadata(path) {
        Ok(metadata) if metadata.len() > LARGEST_BYTES => {
            fs::copy(path, path.with_extension("log.1"))?;
            OpenOptions::new().write(true).open(path)?.set_len(0)
        }
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_log_is_moved_aside_and_the_writer_goes_on() {
        use std::io::Write;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("postgres.log");
        let (mut file, begins_at) = open(&path).unwrap();
        assert_eq!(begins_at, 0);
        file.write_all(&vec![b'x'; usize::try_from(LARGEST_BYTES).unwrap() + 1]).unwrap();
        bound(&path).unwrap();
        file.write_all(b"one\ntwo\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "one\ntwo\n");
        assert_eq!(fs::metadata(dir.path().join("postgres.log.1")).unwrap().len(), LARGEST_BYTES + 1);
        assert_eq!(tail(&path, 4), "two");
    }
}
