//! The task that aggregates counters by minute.

use crate::store::Store;

/// Aggregates new counts; a failure is logged and left to the next round.
pub(crate) async fn fold(store: &Store) {
    if let Err(error) = store.aggregate_stats().await {
        tracing::warn!(%error, "counters could not be aggregated; the next round tries again");
    }
}
