//! The task that carries out operations, a batch at a time. Any number of processes can run it:
//! each batch belongs to the process that has the lock of its operation. Must never let one
//! operation stop another.

use std::time::Duration;

use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::due::{Due, ahead, earlier, until};
use crate::store::db::listener::{Wake, Wakes};
use crate::store::jitter::jittered;
use crate::store::{Result, Store};

/// The sleep after a failed poll.
const RETRY_AFTER: Duration = Duration::from_secs(5);
/// The sleep between two batches: other tasks can run, and rates of many jobs a second are reached.
const PAUSE: Duration = Duration::from_millis(200);

/// Carries out due batches until the token is cancelled.
pub(crate) async fn run(
    store: &Store,
    wakes: &Wakes,
    mut due: watch::Receiver<Due>,
    stop: &CancellationToken,
) {
    let mut hints = wakes.subscribe();
    let mut hears = true;
    let mut next = Some(Instant::now() + jittered(PAUSE));
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = until(next) => {
                next = round(store, stop).await.and_then(|pause| Instant::now().checked_add(jittered(pause)));
            }
            Ok(()) = due.changed() => next = earlier(next, due.borrow_and_update().operation),
            wake = hints.recv(), if hears => match wake {
                Ok(Wake::Settings | Wake::Missed) | Err(RecvError::Lagged(_)) => next = Some(Instant::now()),
                Ok(_) => {}
                // The listener has ended; what is due still says so.
                Err(RecvError::Closed) => hears = false,
            },
        }
    }
}

/// Carries out a batch of each operation that is due; returns the time until the next poll, `None` if none runs.
async fn round(store: &Store, stop: &CancellationToken) -> Option<Duration> {
    let due = match store.work_due().await.map(|due| due.operation_seconds) {
        Ok(None) => return None,
        Ok(Some(seconds)) if seconds > 0.0 => return Some(ahead(seconds).max(PAUSE)),
        Ok(Some(_)) => store.due_operations().await,
        Err(error) => Err(error),
    };
    let due = match due {
        Ok(due) => due,
        Err(error) => {
            tracing::warn!(%error, "operations could not be read; trying again");
            return Some(RETRY_AFTER);
        }
    };
    for id in due {
        if stop.is_cancelled() {
            return Some(PAUSE);
        }
        if let Err(error) = step(store, id).await {
            tracing::warn!(operation = %id, %error, "a batch of an operation failed; trying again");
            let _ = store.delay_operation(id, &error.to_string()).await;
        }
    }
    Some(PAUSE)
}

async fn step(store: &Store, id: uuid::Uuid) -> Result<()> {
    if let Some(jobs) = store.step_operation(id).await? {
        tracing::debug!(operation = %id, jobs, "a batch of an operation is done");
    }
    Ok(())
}
