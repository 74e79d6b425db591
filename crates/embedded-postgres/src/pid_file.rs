//! Reads `postmaster.pid`, in which a server writes its process, its address and whether it is
//! ready. The file may be stale or half written, so nothing in it is trusted without a check of the
//! process.

use std::fs;
use std::path::{Path, PathBuf};

/// The content that a postmaster wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PidFile {
    /// Negative for a server in single-user mode.
    pub(super) pid: i32,
    pub(super) port: u16,
    pub(super) socket_dir: PathBuf,
    /// `starting`, `ready` or `stopping`.
    pub(super) status: String,
}

impl PidFile {
    pub(super) fn path(cluster: &Path) -> PathBuf {
        cluster.join("postmaster.pid")
    }

    /// The file's content as far as it is written, or none if there is no process id in it.
    pub(super) fn read(cluster: &Path) -> Option<Self> {
        Self::parse(&fs::read_to_string(Self::path(cluster)).ok()?)
    }

    fn parse(text: &str) -> Option<Self> {
        // Lines: pid, data directory, start time, port, socket directory, address, shared memory, status.
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        let line = |index: usize| lines.get(index).copied().unwrap_or_default();
        Some(Self {
            pid: line(0).parse().ok()?,
            port: line(3).parse().unwrap_or(0),
            socket_dir: PathBuf::from(line(4)),
            status: line(7).to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_whole_half_and_broken_files() {
        let whole = "4711\n/data/postgres\n1753275600\n40001\n/data/socket\n127.0.0.1\n 12345 67\nready   \n";
        let file = PidFile::parse(whole).unwrap();
        assert_eq!((file.pid, file.port, file.status.as_str()), (4711, 40001, "ready"));
        assert_eq!(file.socket_dir, Path::new("/data/socket"));
        let half = PidFile::parse("4711\n/data/post").unwrap();
        assert_eq!((half.pid, half.port, half.status.as_str()), (4711, 0, ""));
        assert_eq!(PidFile::parse(""), None);
        assert_eq!(PidFile::parse("\u{0}\u{0}"), None);
    }
}
