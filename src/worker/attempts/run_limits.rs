//! The use of a worker's limits: its number of attempts, and whether it has reached a limit.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio_util::sync::CancellationToken;

/// The use of a worker's limits.
#[derive(Debug, Default)]
pub(in crate::worker) struct RunLimits {
    runs: AtomicU64,
    pub(in crate::worker) reached: CancellationToken,
}

impl RunLimits {
    /// One more attempt.
    pub(in crate::worker) fn count(&self, most: Option<u64>) {
        let runs = self.runs.fetch_add(1, Ordering::Relaxed) + 1;
        if most.is_some_and(|most| runs == most) {
            tracing::info!(runs, "reached max_runs; no further jobs will be claimed");
            self.reached.cancel();
        }
    }

    pub(in crate::worker) fn is_reached(&self) -> bool {
        self.reached.is_cancelled()
    }

    /// Waits until a limit is reached.
    pub(in crate::worker) async fn reached(&self) {
        self.reached.cancelled().await;
    }
}
