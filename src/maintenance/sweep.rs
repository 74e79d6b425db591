//! The task that takes back jobs whose worker died or whose deadline passed.

use std::time::Duration;

use crate::announce::Announcer;
use crate::job::state::JobState;
use crate::store::Store;

/// Sweeps until nothing is left to take back, and records that the next sweep follows after `every`; a
/// failure is logged and left to the next round.
pub(crate) async fn sweep(store: &Store, announcer: &Announcer, every: Duration) {
    loop {
        // A pause must be recorded before anything is taken back, and a past pause must not be taken for an
        // open one.
        if let Err(error) = store.note_sweep(every).await {
            tracing::warn!(%error, "a sweep could not be recorded; the next one tries again");
            return;
        }
        match store.sweep().await {
            Ok(swept) if swept.is_empty() => return,
            Ok(swept) => {
                for job in &swept {
                    tracing::warn!(
                        task_id = %job.job_id, reason = job.reason.word(), state = job.state.map(JobState::word),
                        "took back a job"
                    );
                }
                announcer.swept(&swept);
                if swept.iter().all(|job| job.state.is_none()) {
                    return;
                }
            }
            Err(error) => {
                tracing::warn!(%error, "a sweep failed; the next one tries again");
                return;
            }
        }
    }
}

/// Ends attempts of remote workers past their hard timeout, without waiting for the next sweep.
pub(crate) async fn end_overdue(store: &Store, announcer: &Announcer, every: Duration) {
    if matches!(store.is_overdue().await, Ok(true)) {
        sweep(store, announcer, every).await;
    }
}
