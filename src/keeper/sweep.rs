//! The duty that takes back jobs whose worker died or whose deadline passed.

use crate::store::Store;
use crate::store::notify::Notifier;

/// Sweeps until nothing is left to take back; a failure is logged and left to the next round.
pub(super) async fn sweep(store: &Store, notifier: &Notifier) {
    loop {
        match store.sweep().await {
            Ok(swept) if swept.is_empty() => return,
            Ok(swept) => {
                for job in &swept {
                    tracing::warn!(task_id = %job.job_id, reason = job.reason, state = job.state, "took a job back");
                }
                notifier.freed();
                notifier.events(swept.iter().map(|job| (job.job_id, 0)));
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
