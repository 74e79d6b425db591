//! Waits for a database that does not answer when a server process starts: after a power cut or a
//! failover everything starts at once, in any order. An error that waiting cannot fix ends the
//! start.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::failed;
use crate::cli::common::error::CliError;
use tidemill::store::Result;

/// A server that recovers after a crash may take minutes.
const TIMEOUT: Duration = Duration::from_mins(5);
const PAUSE: Duration = Duration::from_millis(250);
/// The interval of the log messages.
const WORD_EVERY: Duration = Duration::from_secs(5);

/// Repeats `call` until the database answers it.
pub(crate) async fn once_it_answers<T, F>(mut call: impl FnMut() -> F) -> std::result::Result<T, CliError>
where
    F: Future<Output = Result<T>>,
{
    let began = Instant::now();
    let mut next_word = began;
    loop {
        match call().await {
            Err(error) if error.is_transient() && began.elapsed() < TIMEOUT => {
                if Instant::now() >= next_word {
                    tracing::warn!(%error, "waiting for the database");
                    next_word = Instant::now() + WORD_EVERY;
                }
                sleep(PAUSE).await;
            }
            other => return other.map_err(failed),
        }
    }
}
