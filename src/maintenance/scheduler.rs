//! The task that fires schedules. Sleeps until the next due time in the database, of which it hears again every few
//! seconds; any number of processes can run it. Must never let one schedule stop another.

use std::time::Duration;

use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::due::{Due, ahead, earlier, until};
use crate::store::db::listener::{Wake, Wakes};
use crate::store::schedule_slots::{Fired, SlotOutcome};
use crate::store::{Error, Result, Store};

/// The sleep after a failed poll.
const FAILED_PAUSE: Duration = Duration::from_secs(5);
/// The sleep after a schedule could not fire.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// The shortest sleep, so that a schedule that cannot fire now is not tried without a pause.
const POLL_AT_MOST_EVERY: Duration = Duration::from_millis(50);

/// Fires due schedules until the token is cancelled.
pub(crate) async fn run(
    store: &Store,
    wakes: &Wakes,
    mut due: watch::Receiver<Due>,
    stop: &CancellationToken,
) {
    let mut wakes = wakes.subscribe();
    let mut next = Some(Instant::now());
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = until(next) => {
                next = poll(store).await.and_then(|delay| Instant::now().checked_add(delay.max(POLL_AT_MOST_EVERY)));
            }
            () = changed(&mut wakes) => next = Some(Instant::now()),
            Ok(()) = due.changed() => next = earlier(next, due.borrow_and_update().schedule),
        }
    }
}

/// Waits until a schedule was changed, or may have been.
async fn changed(wakes: &mut Receiver<Wake>) {
    loop {
        match wakes.recv().await {
            Ok(Wake::Settings | Wake::Missed) | Err(RecvError::Lagged(_)) => return,
            Ok(_) => {}
            // The listener has ended; what is due still says so.
            Err(RecvError::Closed) => std::future::pending().await,
        }
    }
}

/// Fires due schedules; returns the time until the next one, `None` if there is none.
async fn poll(store: &Store) -> Option<Duration> {
    for _ in 0..2 {
        match store.work_due().await.map(|due| due.schedule_seconds) {
            Ok(None) => return None,
            Ok(Some(seconds)) if seconds > 0.0 => return Some(ahead(seconds)),
            Ok(Some(_)) => {}
            Err(error) => return Some(put_off(&error)),
        }
        match fire(store).await {
            Ok(0) => {}
            Ok(_) => return Some(RETRY_AFTER),
            Err(error) => return Some(put_off(&error)),
        }
    }
    Some(Duration::ZERO)
}

/// Handles everything that is due once; returns the number of failed schedules.
async fn fire(store: &Store) -> Result<usize> {
    let mut failed = 0;
    for name in store.releasable_schedules().await? {
        match store.release_slot(&name).await {
            Ok(outcome) => {
                let outcome = outcome.map(SlotOutcome::word);
                tracing::debug!(schedule = name, outcome, "checked a slot that waits for an earlier job");
            }
            Err(error) => failed += complain(&name, &error),
        }
    }
    for schedule in store.pending_schedules().await? {
        match store.advance_schedule(&schedule).await {
            Ok(fired) => {
                for Fired { slot, outcome } in fired {
                    let outcome = outcome.word();
                    tracing::debug!(schedule = schedule.name, %slot, outcome, "a schedule fell due");
                }
            }
            Err(error) => failed += complain(&schedule.name, &error),
        }
    }
    Ok(failed)
}

/// Logs one failed schedule and returns 1, to count it.
fn complain(schedule: &str, error: &Error) -> usize {
    tracing::warn!(schedule, %error, "a schedule could not fire; the next poll tries again");
    1
}

fn put_off(error: &Error) -> Duration {
    tracing::warn!(%error, "schedules could not be read; trying again");
    FAILED_PAUSE
}
