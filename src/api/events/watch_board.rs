//! The watched jobs of this process, each with the feed of its events and the number of its readers.
//! The readers' handles and the poller share it; it never reads the database itself.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, Semaphore, watch};
use uuid::Uuid;

use super::job_feed::JobFeed;
use crate::store::Store;

/// How many readers may read from the database at once, so that many reconnecting readers after a restart
/// leave connections for the rest of the process.
const READS_AT_ONCE: usize = 4;

/// The state that the readers and the poller share.
#[derive(Debug)]
pub(crate) struct WatchBoard {
    pub(crate) store: Store,
    /// A reader arrived.
    pub(crate) arrival: Notify,
    pub(crate) reads: Semaphore,
    jobs: Mutex<WatchedJobs>,
}

#[derive(Debug, Default)]
struct WatchedJobs {
    watched: HashMap<Uuid, Watched>,
    /// Watched by a new reader, which needs the present state of the job.
    unread: HashSet<Uuid>,
}

#[derive(Debug)]
struct Watched {
    feed: watch::Sender<JobFeed>,
    readers: usize,
}

impl WatchBoard {
    pub(crate) fn new(store: Store) -> Self {
        let reads = Semaphore::new(READS_AT_ONCE);
        Self { store, arrival: Notify::new(), reads, jobs: Mutex::default() }
    }

    /// Adds a reader of a job.
    pub(crate) fn enter(&self, job_id: Uuid) -> watch::Receiver<JobFeed> {
        let mut jobs = self.jobs();
        let entry = jobs
            .watched
            .entry(job_id)
            .or_insert_with(|| Watched { feed: watch::Sender::default(), readers: 0 });
        entry.readers += 1;
        let feed = entry.feed.subscribe();
        jobs.unread.insert(job_id);
        drop(jobs);
        self.arrival.notify_one();
        feed
    }

    /// Removes a reader of a job; without readers the job is no longer watched.
    pub(crate) fn leave(&self, job_id: Uuid) {
        let mut jobs = self.jobs();
        if let Some(entry) = jobs.watched.get_mut(&job_id) {
            entry.readers -= 1;
            if entry.readers == 0 {
                jobs.watched.remove(&job_id);
                jobs.unread.remove(&job_id);
            }
        }
    }

    /// The number of watched jobs.
    pub(crate) fn count(&self) -> usize {
        self.jobs().watched.len()
    }

    pub(crate) fn is_watching(&self) -> bool {
        !self.jobs().watched.is_empty()
    }

    pub(crate) fn is_watched(&self, job_id: Uuid) -> bool {
        self.jobs().watched.contains_key(&job_id)
    }

    pub(crate) fn all(&self) -> Vec<Uuid> {
        self.jobs().watched.keys().copied().collect()
    }

    /// The jobs with readers that have not had the present state.
    pub(crate) fn take_unread(&self) -> HashSet<Uuid> {
        std::mem::take(&mut self.jobs().unread)
    }

    /// Reads the feed of a job; `None` if it is no longer watched.
    pub(crate) fn read<T>(&self, job_id: Uuid, question: impl FnOnce(&JobFeed) -> T) -> Option<T> {
        self.jobs().watched.get(&job_id).map(|watched| question(&watched.feed.borrow()))
    }

    /// Changes the feed of a job; its readers are notified if `change` returns true.
    pub(crate) fn update(&self, job_id: Uuid, change: impl FnOnce(&mut JobFeed) -> bool) {
        if let Some(watched) = self.jobs().watched.get(&job_id) {
            watched.feed.send_if_modified(change);
        }
    }

    fn jobs(&self) -> MutexGuard<'_, WatchedJobs> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
