//! The task that creates the history's partitions in advance and drops partitions past their
//! retention.

use std::time::Duration;

use crate::store::Store;

/// Creates, drops and prunes once; a failure is logged and left to the next round.
pub(crate) async fn keep(store: &Store, retention: Duration) {
    match store.ensure_partitions().await {
        Ok(0) => {}
        Ok(made) => tracing::info!(made, "created partitions for the coming days"),
        Err(error) => tracing::warn!(%error, "partitions could not be created; the next round tries again"),
    }
    match store.drop_partitions(retention.as_secs_f64()).await {
        Ok(dropped) if dropped.is_empty() => {}
        Ok(dropped) => tracing::info!(?dropped, "dropped partitions past their retention"),
        Err(error) => {
            tracing::warn!(%error, "old partitions could not be dropped; the next round tries again");
        }
    }
    loop {
        match store.prune().await {
            Ok(0) => return,
            Ok(jobs) => tracing::info!(jobs, "pruned jobs past their own retention"),
            Err(error) => {
                tracing::warn!(%error, "pruning failed; the next round tries again");
                return;
            }
        }
    }
}
