//! Due: when schedules, operations, dependents and deadlines have something to do, as one statement found it for all of
//! them. Must never do their work itself.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::store::Store;
use crate::store::attempts::sweep::WorkDue;
use crate::store::db::listener::Wakes;
use crate::store::jitter::jittered;

/// The interval while no notifications arrive. While they do, the rounds of the sweep are often enough.
const DEAF_POLL: Duration = Duration::from_secs(1);

/// When each task has something to do; `None`: not as far as the last answer says.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Due {
    pub(crate) schedule: Option<Instant>,
    pub(crate) operation: Option<Instant>,
    pub(crate) deadline: Option<Instant>,
    pub(crate) dependents: Option<Instant>,
}

impl Due {
    pub(crate) fn of(found: WorkDue, now: Instant) -> Self {
        let at = |seconds: Option<f64>| now.checked_add(ahead(seconds?));
        Self {
            schedule: at(found.schedule_seconds),
            operation: at(found.operation_seconds),
            deadline: at(found.deadline_seconds),
            dependents: found.has_dependents.then_some(now),
        }
    }
}

/// Seconds that the database gave as a time from now. A wake-up a little late is better than one a little early, which
/// would find nothing due.
pub(crate) fn ahead(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds.max(0.0))
        .unwrap_or(Duration::MAX)
        .saturating_add(Duration::from_millis(1))
}

/// The earlier of two times, either of which may be never.
pub(crate) fn earlier(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    [one, other].into_iter().flatten().min()
}

/// Sleeps until a time, or for ever.
pub(crate) async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// Asks while no notifications arrive, until the token is cancelled.
pub(crate) async fn run(store: &Store, wakes: &Wakes, sender: watch::Sender<Due>, stop: &CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(jittered(DEAF_POLL)) => {}
        }
        if wakes.is_healthy() {
            continue;
        }
        match store.work_due().await {
            Ok(found) => {
                sender.send_replace(Due::of(found, Instant::now()));
            }
            Err(error) => tracing::warn!(%error, "the database could not say what is due; trying again"),
        }
    }
}
