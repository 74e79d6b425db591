//! The data folder's lock: one live tidemill per cluster. The system releases it whenever its
//! holder ends; the file itself is never removed (otherwise two processes could lock two files of
//! one name).

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::Write;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::EmbeddedError;
use super::home::Home;
use super::processes::is_alive;

/// How long a lock may outlive the process that held it: a child that was about to start its program when its parent was
/// killed has the parent's files until then.
const LINGERS: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(20);

/// Held for as long as this value lives. Programs that the process starts do not inherit it: the standard library opens
/// files close-on-exec.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock, or names its holder. A dead holder is about to release it, so this waits for that.
    pub(super) async fn take(home: &Home) -> Result<Self, EmbeddedError> {
        let path = home.root.join("tidemill.lock");
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(EmbeddedError::io("open", &path))?;
        let began = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) => {
                    let holder = fs::read_to_string(&path).unwrap_or_default();
                    let is_dead = holder.trim().parse().is_ok_and(|pid| !is_alive(pid));
                    if !is_dead || began.elapsed() > LINGERS {
                        return Err(EmbeddedError::InUse {
                            data_dir: home.data_dir.clone(),
                            holder: named(&holder),
                        });
                    }
                    sleep(POLL).await;
                }
                Err(TryLockError::Error(source)) => {
                    return Err(EmbeddedError::io("lock", &path)(source));
                }
            }
        }
        file.set_len(0)
            .and_then(|()| writeln!(file, "{}", std::process::id()))
            .map_err(EmbeddedError::io("write", &path))?;
        Ok(Self { _file: file })
    }
}

/// The holder in words, from the file's content.
fn named(holder: &str) -> String {
    match holder.trim() {
        "" => "it has just started".to_owned(),
        pid => format!("process {pid}"),
    }
}
