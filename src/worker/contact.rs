//! Whether this worker reaches the database, as its heartbeats find out. Tasks that wait for an
//! answer, or for their next try, are notified when the database answers again; nothing else
//! depends on it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::watch;

/// Who asked before and is not answered by then asks on a connection that is dead.
const ANSWER_AFTER: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(super) struct Contact {
    is_lost: AtomicBool,
    /// How often it was there again.
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

    /// A heartbeat was answered; true if the one before it failed.
    pub(super) fn keep(&self) -> bool {
        let regained = self.is_lost.swap(false, Ordering::Relaxed);
        if regained {
            self.regained.send_modify(|times| *times += 1);
        }
        regained
    }

    /// Waits so long, or until the database is there again.
    pub(super) async fn pause(&self, at_most: Duration) {
        let mut regained = self.regained.subscribe();
        let _ = tokio::time::timeout(at_most, regained.changed()).await;
    }

    /// Waits until a question that is asked now will not be answered any more: the database was away and is there again.
    pub(super) async fn overtaken(&self) {
        let mut regained = self.regained.subscribe();
        if regained.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(ANSWER_AFTER).await;
    }
}
