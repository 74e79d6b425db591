//! Whether this worker reaches the database, as its heartbeats find out. Tasks that wait for an
//! answer, or for their next try, are notified when the database answers again; nothing else
//! depends on it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::watch;

/// A request that was sent before this and has no answer yet is on a dead connection.
const ANSWER_AFTER: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(super) struct Contact {
    is_lost: AtomicBool,
    /// How often the database became reachable again.
    regained: watch::Sender<u64>,
}

impl Contact {
    pub(super) fn new() -> Self {
        Self { is_lost: AtomicBool::new(false), regained: watch::Sender::new(0) }
    }

    /// A heartbeat was not answered.
    pub(super) fn lose(&self) {
        self.is_lost.store(true, Ordering::Relaxed);
    }

    /// A heartbeat was answered; true if the previous one failed.
    pub(super) fn keep(&self) -> bool {
        let regained = self.is_lost.swap(false, Ordering::Relaxed);
        if regained {
            self.regained.send_modify(|times| *times += 1);
        }
        regained
    }

    /// Waits for the given time, or until the database is reachable again.
    pub(super) async fn pause(&self, at_most: Duration) {
        let mut regained = self.regained.subscribe();
        let _ = tokio::time::timeout(at_most, regained.changed()).await;
    }

    /// Waits until a request sent now can no longer be answered: the database was unreachable and is
    /// reachable again.
    pub(super) async fn overtaken(&self) {
        let mut regained = self.regained.subscribe();
        if regained.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(ANSWER_AFTER).await;
    }
}
