//! The data folder's lock: one live tidemill per cluster. The system releases it when its holder dies, however it
//! dies; the file itself is never removed (removing it would let two processes lock two files of one name).

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::Write;
use std::path::Path;

use super::EmbeddedError;
use super::home::Home;

/// Held for as long as this value lives. Child processes do not inherit it: the standard library opens files
/// close-on-exec.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock at once or says who has it.
    pub(super) fn take(home: &Home) -> Result<Self, EmbeddedError> {
        let path = home.root.join("tidemill.lock");
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(EmbeddedError::io("open", &path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(EmbeddedError::InUse { data_dir: home.data_dir.clone(), holder: holder(&path) });
            }
            Err(TryLockError::Error(source)) => {
                return Err(EmbeddedError::io("lock", &path)(source));
            }
        }
        file.set_len(0)
            .and_then(|()| writeln!(file, "{}", std::process::id()))
            .map_err(EmbeddedError::io("write", &path))?;
        Ok(Self { _file: file })
    }
}

fn holder(path: &Path) -> String {
    match fs::read_to_string(path).unwrap_or_default().trim() {
        "" => "it has just begun".to_owned(),
        pid => format!("process {pid}"),
    }
}
