//! The task that notices rows with transaction numbers of another cluster (from a restored dump or
//! logical replication) before this cluster gives out the same numbers. Must never read the history
//! while the cluster stays the same.

use std::sync::atomic::{AtomicI64, Ordering};

use crate::store::{Result, Store};

/// The state of one process between two rounds.
pub(crate) struct Cluster {
    /// The number of the next transaction in the last round.
    next: AtomicI64,
}

impl Default for Cluster {
    /// The first round records the rows that are already there.
    fn default() -> Self {
        Self { next: AtomicI64::new(i64::MAX) }
    }
}

impl Cluster {
    /// Records foreign rows if the numbers went back; a failure is logged and left to the next round.
    pub(crate) async fn check(&self, store: &Store) {
        if let Err(error) = self.note(store).await {
            tracing::warn!(%error, "the check for rows of another cluster failed; the next round tries again");
        }
    }

    async fn note(&self, store: &Store) -> Result<()> {
        let next = store.next_transaction().await?;
        if next < self.next.load(Ordering::Relaxed)
            && let Some(until) = store.note_foreign_rows().await?
        {
            tracing::info!(%until, "rows were restored from another cluster; streams leave them out up to this time");
        }
        self.next.store(next, Ordering::Relaxed);
        Ok(())
    }
}
