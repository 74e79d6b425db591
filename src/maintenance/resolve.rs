//! The task that resolves dependent jobs: at once after a notification, or as soon as somebody sees them.

use std::time::Duration;

use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::due::{Due, earlier, until};
use crate::store::Store;
use crate::store::db::listener::{Wake, Wakes};

/// The pause after a failure.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// Resolves until the token is cancelled.
pub(crate) async fn run(
    store: &Store,
    wakes: &Wakes,
    mut due: watch::Receiver<Due>,
    stop: &CancellationToken,
) {
    let mut hints = wakes.subscribe();
    let mut hears = true;
    let mut next = Some(Instant::now());
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = until(next) => {
                next = None;
                if let Err(error) = store.resolve().await {
                    tracing::warn!(%error, "dependent jobs could not be resolved; the next round tries again");
                    next = Some(Instant::now() + RETRY_AFTER);
                }
            }
            Ok(()) = due.changed() => next = earlier(next, due.borrow_and_update().dependents),
            wake = hints.recv(), if hears => match wake {
                Ok(Wake::Dependents | Wake::Missed) | Err(RecvError::Lagged(_)) => next = Some(Instant::now()),
                Ok(_) => {}
                // The listener has ended; what is due still says so.
                Err(RecvError::Closed) => hears = false,
            },
        }
    }
}
