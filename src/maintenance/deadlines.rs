//! The task that ends attempts of remote workers at their hard timeout, without waiting for the next sweep.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::due::{Due, ahead, earlier, until};
use super::sweep::Sweeper;
use crate::store::Store;

/// The pause before an attempt that the sweep could not end is tried again.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Ends attempts at their deadlines until the token is cancelled. The deadlines of this process are known at once,
/// those of others as soon as somebody asks what is due.
pub(crate) async fn run(
    store: &Store,
    sweeper: &Sweeper<'_>,
    mut due: watch::Receiver<Due>,
    stop: &CancellationToken,
) {
    let mut next = Some(Instant::now());
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = until(next) => next = end_overdue(store, sweeper).await,
            at = store.deadlines().next() => next = earlier(next, Some(at)),
            Ok(()) = due.changed() => next = earlier(next, due.borrow_and_update().deadline),
        }
    }
}

/// Sweeps if an attempt is past its deadline; returns the next deadline.
async fn end_overdue(store: &Store, sweeper: &Sweeper<'_>) -> Option<Instant> {
    let mut is_first = true;
    loop {
        match store.work_due().await {
            Ok(found) => match found.deadline_seconds? {
                seconds if seconds > 0.0 => return Instant::now().checked_add(ahead(seconds)),
                _ if is_first => sweeper.sweep().await,
                _ => return Some(Instant::now() + RETRY_AFTER),
            },
            // The round of the sweep logs the reason.
            Err(_) => return Some(Instant::now() + RETRY_AFTER),
        }
        is_first = false;
    }
}
