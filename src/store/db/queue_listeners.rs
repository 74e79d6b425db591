//! The processes that wait for a notification when a queue gets a job (`queue_listeners`). If a queue has no
//! row, an enqueue in a transaction sends no NOTIFY, because NOTIFY takes a lock on the whole server until
//! the commit ends. A process must write its row before the last poll that precedes its wait: that poll finds
//! the jobs that were enqueued in between.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::store::{Result, Store};

/// Stands for all queues for which the listener has no row of their own.
pub const EVERY_QUEUE: &str = "*";
/// How long a transaction takes to commit after it has enqueued a job, as a rule: a new listener polls once more then,
/// because a transaction that did not see its row may commit after its first poll.
pub const LATE_COMMITS: Duration = Duration::from_millis(100);
/// A row that is younger than this needs no refresh; maintenance removes rows after three minutes.
const REFRESH_AFTER: Duration = Duration::from_secs(30);

/// One listener: a worker, or an API process for its remote workers.
#[derive(Debug)]
pub struct QueueListener {
    id: String,
    /// When each queue was last written.
    written: Mutex<HashMap<String, Instant>>,
}

impl QueueListener {
    /// A listener with this id that does not listen to any queue yet.
    #[must_use]
    pub fn new(id: String) -> Self {
        Self { id, written: Mutex::default() }
    }

    /// From now on enqueues to these queues notify. Returns true if they did not before: then the caller must
    /// poll the queues once more before it waits.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn listen(&self, store: &Store, queues: &[String]) -> Result<bool> {
        let (stale, is_new) = {
            let written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
            let is_fresh = |queue: &String| written.get(queue).is_some_and(|at| at.elapsed() < REFRESH_AFTER);
            (
                queues.iter().any(|queue| !is_fresh(queue)),
                queues.iter().any(|queue| !written.contains_key(queue)),
            )
        };
        if !stale {
            return Ok(false);
        }
        sqlx::query!(
            "
            with refreshed as (
              update queue_listeners
              set seen_at = clock_timestamp()
              where listener = $1
                and queue <> all($2)
            )
            insert into queue_listeners (listener, queue)
            select distinct $1, queue
            from unnest($2::text[]) as q (queue)
            order by queue
            on conflict (queue, listener) do update set seen_at = clock_timestamp()
            ",
            self.id,
            queues,
        )
        .execute(store.claims())
        .await?;
        let now = Instant::now();
        self.written
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend(queues.iter().map(|queue| (queue.clone(), now)));
        Ok(is_new)
    }

    /// Records whether the listener polls this queue often by itself, so that its enqueues need not notify.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn set_busy(&self, store: &Store, queue: &str, is_busy: bool) -> Result<()> {
        sqlx::query!(
            "
            insert into queue_listeners (listener, queue, is_busy)
            values ($1, $2, $3)
            on conflict (queue, listener) do update set is_busy = excluded.is_busy, seen_at = clock_timestamp()
            ",
            self.id,
            queue,
            is_busy,
        )
        .execute(store.claims())
        .await?;
        Ok(())
    }

    /// Removes the listener's rows; the next `listen` writes them again.
    ///
    /// # Errors
    /// When the database fails; then maintenance removes the rows.
    pub async fn leave(&self, store: &Store) -> Result<()> {
        sqlx::query!("delete from queue_listeners where listener = $1", self.id)
            .execute(store.claims())
            .await?;
        self.written.lock().unwrap_or_else(PoisonError::into_inner).clear();
        Ok(())
    }
}
