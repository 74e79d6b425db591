//! The limits of a worker's life: a number of attempts, or an amount of memory. At a limit the
//! worker claims no more jobs and exits when its attempts have finished, so that its supervisor
//! starts it again. Must never cost a job an attempt.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::claims::queue_runner;
use super::shared::Shared;
use super::shutdown::Shutdown;
use super::usage;

/// Checks the memory of the process at intervals.
pub(super) async fn watch_memory(shared: Arc<Shared>, stop: CancellationToken) {
    let Some(most) = shared.settings.max_memory_bytes else { return };
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(shared.settings.heartbeat) => {}
        }
        if let Some(bytes) = usage::memory_bytes().filter(|bytes| *bytes > most) {
            tracing::info!(bytes, "reached max_memory; no further jobs will be claimed");
            shared.run_limits.reached.cancel();
            return;
        }
    }
}

/// Lets the attempts of a worker at its limit finish, however long they take, unless it is asked to end.
pub(super) async fn finish(shared: &Arc<Shared>, shutdown: &Shutdown) {
    if !shared.run_limits.is_reached() {
        return;
    }
    for queue_slots in shared.queues.all() {
        queue_runner::hand_back(&queue_slots, shared).await;
    }
    tokio::select! {
        () = shared.leases.empty() => {}
        () = shutdown.graceful.cancelled() => {}
    }
}
