//! The registry of watched jobs in this process, with a channel to the readers of each job. The
//! database is polled once for all readers (see `poller`). Must never hold a connection for a
//! reader, or keep a job that nobody watches.

use std::sync::Arc;

use tokio::sync::{SemaphorePermit, watch};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::job_feed::{JobFeed, View};
use super::poller;
use super::watch_board::WatchBoard;
use crate::job::document::JobDocument;
use crate::store::Store;
use crate::store::db::listener::Wakes;

/// A handle on the one registry of a process; cheap to clone.
#[derive(Debug, Clone)]
pub struct Watchers(Arc<WatchBoard>);

/// One reader's subscription to one job; the job is watched until its last subscription is dropped.
#[derive(Debug)]
pub struct Watch {
    job_id: Uuid,
    feed: watch::Receiver<JobFeed>,
    /// How many restores to an earlier state the reader has seen.
    rewinds: usize,
    board: Arc<WatchBoard>,
}

impl Watchers {
    /// Starts the registry; it runs until `shutdown`.
    #[must_use]
    pub fn start(store: Store, wakes: Wakes, shutdown: CancellationToken) -> Self {
        let board = Arc::new(WatchBoard::new(store));
        // Subscribes before the first reader can watch a job, so that no wake-up is missed in between.
        let heard = wakes.subscribe();
        tokio::spawn(poller::run(Arc::clone(&board), wakes, heard, shutdown));
        Self(board)
    }

    /// Watches a job. Watch first and read the job afterwards, so that no change in between is missed.
    #[must_use]
    pub fn watch(&self, job_id: Uuid) -> Watch {
        let feed = self.0.enter(job_id);
        let rewinds = feed.borrow().rewinds();
        Watch { job_id, feed, rewinds, board: Arc::clone(&self.0) }
    }

    /// How many jobs are watched now.
    #[must_use]
    pub fn watched(&self) -> usize {
        self.0.count()
    }

    /// The right to read a page of events from the database.
    ///
    /// # Panics
    /// Never: the semaphore is not closed while the registry exists.
    pub(crate) async fn read_permit(&self) -> SemaphorePermit<'_> {
        self.0.reads.acquire().await.expect("the semaphore is never closed")
    }

    pub(crate) fn store(&self) -> &Store {
        &self.0.store
    }
}

impl Watch {
    /// The job.
    #[must_use]
    pub fn job_id(&self) -> Uuid {
        self.job_id
    }

    /// The view of a reader that has seen everything up to `position`.
    pub fn view(&mut self, position: i64) -> View {
        let feed = self.feed.borrow_and_update();
        let view = feed.view(position, self.rewinds);
        self.rewinds = feed.rewinds();
        view
    }

    /// Waits until there is a change that no `view` has shown yet; false if the registry has ended.
    pub async fn changed(&mut self) -> bool {
        self.feed.changed().await.is_ok()
    }

    /// Waits until the job has finished; `None` if it was deleted or the registry has ended.
    pub async fn end(&mut self) -> Option<Arc<JobDocument>> {
        let feed = self.feed.wait_for(|feed| feed.end().is_some() || feed.is_gone()).await.ok()?;
        feed.end().cloned()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.board.leave(self.job_id);
    }
}
