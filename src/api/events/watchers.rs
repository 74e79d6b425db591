//! The registry of watched jobs in this process, with a channel to the readers of each job. The
//! database is polled once for all readers (see `poller`). Must never hold a connection for a
//! reader, or keep a job that nobody watches.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, Semaphore, SemaphorePermit, watch};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::job_feed::{News, View};
use super::poller;
use crate::job::document::JobDocument;
use crate::store::Store;
use crate::store::db::listener::Wakes;

/// How many readers may read from the database at once, so that many reconnecting readers after a restart
/// leave connections for the rest of the process.
const READS_AT_ONCE: usize = 4;

/// A handle on the one registry of a process; cheap to clone.
#[derive(Debug, Clone)]
pub struct Watchers(Arc<Shared>);

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) store: Store,
    pub(crate) arrival: Notify,
    board: Mutex<Board>,
    reads: Semaphore,
}

#[derive(Debug, Default)]
struct Board {
    watched: HashMap<Uuid, Watched>,
    /// Watched by a new reader, which needs the present state of the job.
    fresh: HashSet<Uuid>,
}

#[derive(Debug)]
struct Watched {
    news: watch::Sender<News>,
    readers: usize,
}

/// One reader's subscription to one job; the job is watched until its last subscription is dropped.
#[derive(Debug)]
pub struct Watch {
    job_id: Uuid,
    news: watch::Receiver<News>,
    /// How many restores to an earlier state the reader has seen.
    rewinds: usize,
    shared: Arc<Shared>,
}

impl Watchers {
    /// Starts the registry; it runs until `shutdown`.
    #[must_use]
    pub fn start(store: Store, wakes: Wakes, shutdown: CancellationToken) -> Self {
        let shared = Arc::new(Shared {
            store,
            arrival: Notify::new(),
            board: Mutex::default(),
            reads: Semaphore::new(READS_AT_ONCE),
        });
        // Subscribed before anybody can watch, so that no wake-up falls between the two.
        let heard = wakes.subscribe();
        tokio::spawn(poller::run(Arc::clone(&shared), wakes, heard, shutdown));
        Self(shared)
    }

    /// Watches a job. Watch first and read the job afterwards, so that no change in between is missed.
    #[must_use]
    pub fn watch(&self, job_id: Uuid) -> Watch {
        let mut board = self.0.board();
        let entry = board
            .watched
            .entry(job_id)
            .or_insert_with(|| Watched { news: watch::Sender::default(), readers: 0 });
        entry.readers += 1;
        let news = entry.news.subscribe();
        board.fresh.insert(job_id);
        drop(board);
        self.0.arrival.notify_one();
        let rewinds = news.borrow().rewinds();
        Watch { job_id, news, rewinds, shared: Arc::clone(&self.0) }
    }

    /// How many jobs are watched now.
    #[must_use]
    pub fn watched(&self) -> usize {
        self.0.board().watched.len()
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
        let news = self.news.borrow_and_update();
        let view = news.view(position, self.rewinds);
        self.rewinds = news.rewinds();
        view
    }

    /// Waits until there is a change that no `view` has shown yet; false if the registry has ended.
    pub async fn changed(&mut self) -> bool {
        self.news.changed().await.is_ok()
    }

    /// Waits until the job has finished; `None` if it was deleted or the registry has ended.
    pub async fn end(&mut self) -> Option<Arc<JobDocument>> {
        let news = self.news.wait_for(|news| news.end().is_some() || news.is_gone()).await.ok()?;
        news.end().cloned()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut board = self.shared.board();
        if let Some(entry) = board.watched.get_mut(&self.job_id) {
            entry.readers -= 1;
            if entry.readers == 0 {
                board.watched.remove(&self.job_id);
                board.fresh.remove(&self.job_id);
            }
        }
    }
}

impl Shared {
    pub(crate) fn is_watching(&self) -> bool {
        !self.board().watched.is_empty()
    }

    pub(crate) fn is_watched(&self, job_id: Uuid) -> bool {
        self.board().watched.contains_key(&job_id)
    }

    pub(crate) fn all(&self) -> Vec<Uuid> {
        self.board().watched.keys().copied().collect()
    }

    pub(crate) fn take_fresh(&self) -> HashSet<Uuid> {
        std::mem::take(&mut self.board().fresh)
    }

    /// The feed of a job; `None` if it is no longer watched.
    pub(crate) fn ask<T>(&self, job_id: Uuid, question: impl FnOnce(&News) -> T) -> Option<T> {
        self.board().watched.get(&job_id).map(|watched| question(&watched.news.borrow()))
    }

    /// Changes the feed of a job; its readers are notified if `change` returns true.
    pub(crate) fn tell(&self, job_id: Uuid, change: impl FnOnce(&mut News) -> bool) {
        if let Some(watched) = self.board().watched.get(&job_id) {
            watched.news.send_if_modified(change);
        }
    }

    fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
