//! The task that groups failures by cause.

use crate::store::Store;

/// Groups new failures; an error is logged and left to the next round.
pub(crate) async fn count(store: &Store) {
    if let Err(error) = store.aggregate_failures().await {
        tracing::warn!(%error, "failures could not be grouped; the next round tries again");
    }
}
