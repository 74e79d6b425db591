//! The task that removes the files of deleted jobs from object storage.

use crate::store::Store;

/// The most files checked per round.
const A_ROUND: i32 = 1_000;

/// Clears once; a failure is logged and left to the next round.
pub(crate) async fn clear(store: &Store) {
    match store.clear_artifacts(A_ROUND).await {
        Ok(0) => {}
        Ok(files) => tracing::info!(files, "removed files of deleted jobs"),
        Err(error) => {
            tracing::warn!(%error, "files of deleted jobs could not be removed; the next round tries again");
        }
    }
}
