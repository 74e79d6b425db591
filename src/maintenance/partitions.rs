//! The duty that makes the history's days ahead of time and drops what retention has passed.

use std::time::Duration;

use crate::store::Store;

/// Makes, drops and prunes once; a failure is logged and left to the next round.
pub(crate) async fn keep(store: &Store, retention: Duration) {
    match store.ensure_partitions().await {
        Ok(0) => {}
        Ok(made) => tracing::info!(made, "made partitions for the days ahead"),
        Err(error) => tracing::warn!(%error, "partitions could not be made; the next round tries again"),
    }
    match store.drop_partitions(retention.as_secs_f64()).await {
        Ok(dropped) if dropped.is_empty() => {}
        Ok(dropped) => tracing::info!(?dropped, "dropped days past their retention"),
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
