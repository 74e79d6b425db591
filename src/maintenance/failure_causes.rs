//! The task that groups failures by cause.

use crate::store::Store;

/// Counts what is new; a failure is logged and left to the next round.
pub(crate) async fn count(store: &Store) {
    if let Err(error) = store.fold_failures().await {
        tracing::warn!(%error, "failures could not be grouped; the next round tries again");
    }
}
