//! The task that resolves dependent jobs: at once after a notification, and on a timer.

use std::time::Duration;

use tokio::sync::broadcast::error::RecvError;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::store::Store;
use crate::store::db::listener::{Wake, Wakes};
use crate::store::jitter::jittered;

/// The poll interval while notifications arrive, and while they do not.
const POLL: Duration = Duration::from_secs(5);
const DEAF_POLL: Duration = Duration::from_secs(1);

/// Resolves until the token is cancelled.
pub(crate) async fn run(store: &Store, wakes: &Wakes, stop: &CancellationToken) {
    let mut hints = wakes.subscribe();
    let mut hears = true;
    let mut next = Instant::now();
    loop {
        if Instant::now() >= next {
            if let Err(error) = store.resolve().await {
                tracing::warn!(%error, "dependent jobs could not be resolved; the next round tries again");
            }
            let poll = if wakes.is_healthy() { POLL } else { DEAF_POLL };
            next = Instant::now() + jittered(poll);
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep_until(next) => {}
            wake = hints.recv(), if hears => match wake {
                Ok(Wake::Dependents | Wake::Missed) | Err(RecvError::Lagged(_)) => next = Instant::now(),
                Ok(_) => {}
                // The listener has ended; the timer continues.
                Err(RecvError::Closed) => hears = false,
            },
        }
    }
}
