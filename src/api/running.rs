//! Which jobs of some queues and kinds run now, asked at most once a second however many streams
//! want to know it. Jobs that run shorter than that may pass unseen; must never be taken for a count.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;
use uuid::Uuid;

use crate::store::{Result, Store};

/// How often a stream asks, and how long an answer is good.
pub const ASK_EVERY: Duration = Duration::from_secs(1);
/// The most jobs of an answer; the latest starts come first.
pub const MOST_JOBS: usize = 100;
/// How many different filters are remembered.
const REMEMBERED: usize = 64;

/// Which jobs a stream follows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Filter {
    /// Jobs of these queues,
    pub queues: Vec<String>,
    /// and jobs of these kinds.
    pub kinds: Vec<String>,
}

impl Filter {
    /// True if it names nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.queues.is_empty() && self.kinds.is_empty()
    }
}

type Answer = (Instant, Arc<[Uuid]>);

/// The shared answers; cheap to clone.
#[derive(Debug, Clone)]
pub struct RunningJobs {
    store: Store,
    answers: Arc<Mutex<HashMap<Filter, Answer>>>,
}

impl RunningJobs {
    /// Nothing is asked before somebody wants to know.
    #[must_use]
    pub fn new(store: Store) -> Self {
        Self { store, answers: Arc::default() }
    }

    /// The jobs that run, as of at most a second ago.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn of(&self, filter: &Filter) -> Result<Arc<[Uuid]>> {
        // Held while asking: who comes meanwhile waits for the same answer.
        let mut answers = self.answers.lock().await;
        if let Some((at, jobs)) = answers.get(filter)
            && at.elapsed() < ASK_EVERY.mul_f64(0.9)
        {
            return Ok(Arc::clone(jobs));
        }
        let limit = i64::try_from(MOST_JOBS).unwrap_or(i64::MAX);
        let jobs: Arc<[Uuid]> = self.store.watched_jobs(&filter.queues, &filter.kinds, limit).await?.into();
        if answers.len() >= REMEMBERED {
            answers.retain(|_, (at, _)| at.elapsed() < ASK_EVERY);
        }
        answers.insert(filter.clone(), (Instant::now(), Arc::clone(&jobs)));
        Ok(jobs)
    }
}
