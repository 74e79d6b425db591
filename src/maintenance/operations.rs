//! The task that carries out operations, a batch at a time. Any number of processes can run it:
//! each batch belongs to the process that has the lock of its operation. Must never let one
//! operation stop another.

use std::time::Duration;

use tokio::sync::broadcast::error::RecvError;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::store::db::listener::{Wake, Wakes};
use crate::store::jitter::jittered;
use crate::store::{Result, Store};

/// The longest sleep while no operation runs.
const POLL: Duration = Duration::from_secs(5);
/// The sleep between two batches: other tasks can run, and rates of many jobs a second are reached.
const PAUSE: Duration = Duration::from_millis(200);

/// Carries out due batches until the token is cancelled.
pub(crate) async fn run(store: &Store, wakes: &Wakes, stop: &CancellationToken) {
    let mut hints = wakes.subscribe();
    let mut hears = true;
    let mut next = Instant::now() + jittered(PAUSE);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep_until(next) => {
                next = Instant::now() + jittered(round(store, stop).await);
            }
            wake = hints.recv(), if hears => match wake {
                Ok(Wake::Settings | Wake::Missed) | Err(RecvError::Lagged(_)) => next = Instant::now(),
                Ok(_) => {}
                // The listener has ended; the timer continues.
                Err(RecvError::Closed) => hears = false,
            },
        }
    }
}

/// Carries out a batch of each operation that is due; returns the time until the next poll.
async fn round(store: &Store, stop: &CancellationToken) -> Duration {
    let due = match store.operations_due_in().await {
        Ok(None) => return POLL,
        Ok(Some(seconds)) if seconds > 0.0 => {
            return Duration::from_secs_f64(seconds.min(POLL.as_secs_f64())).max(PAUSE);
        }
        Ok(Some(_)) => store.due_operations().await,
        Err(error) => Err(error),
    };
    let due = match due {
        Ok(due) => due,
        Err(error) => {
            tracing::warn!(%error, "operations could not be read; trying again");
            return POLL;
        }
    };
    for id in due {
        if stop.is_cancelled() {
            return PAUSE;
        }
        if let Err(error) = step(store, id).await {
            tracing::warn!(operation = %id, %error, "a batch of an operation failed; trying again");
            let _ = store.delay_operation(id, &error.to_string()).await;
        }
    }
    PAUSE
}

async fn step(store: &Store, id: uuid::Uuid) -> Result<()> {
    if let Some(jobs) = store.step_operation(id).await? {
        tracing::debug!(operation = %id, jobs, "a batch of an operation is done");
    }
    Ok(())
}
