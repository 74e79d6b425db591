//! Due: which queues have work for a worker, and when the next job falls due. One statement for all
//! queues, so that an idle worker sends one query a second; claims nothing.

use crate::store::{Result, Store};

/// The work of one queue for a worker.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "the row of a statement; each is a fact of its own")]
pub struct Due {
    /// The queue.
    pub queue: String,
    /// True if jobs can be claimed now; in a long queue, perhaps.
    pub now: bool,
    /// True if a job of a group may have its turn.
    pub turn: bool,
    /// True if all claims of the queue go through limits.
    pub limited: bool,
    /// Seconds until the next job falls due, if one is scheduled.
    pub next_in_seconds: Option<f64>,
    /// The slots set for each worker, if any.
    pub slots: Option<i32>,
    /// True while the queue is paused.
    pub paused: bool,
}

impl Store {
    /// Reads the head of each queue and priority. With `discover` it also finds unnamed queues with live
    /// jobs, with one jump along the claim index for each.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn due(&self, queues: &[String], kinds: &[String], discover: bool) -> Result<Vec<Due>> {
        let rows = sqlx::query_file_as!(Due, "src/store/attempts/due.sql", queues, kinds, discover,)
            .fetch_all(self.claims())
            .await?;
        Ok(rows)
    }
}
