//! Queues: lists, pauses, resumes, drains, purges and sizes them. Uses the SQL functions that
//! people call from psql.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Result, Store};
use crate::job::document::micros_or_null;

/// One queue as shown to people.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct QueueDocument {
    /// Its name.
    pub name: String,
    /// The time since which it is paused.
    #[serde(serialize_with = "micros_or_null")]
    pub paused_at: Option<DateTime<Utc>>,
    /// The author of the pause.
    pub paused_by: Option<String>,
    /// The time since which it is draining.
    #[serde(serialize_with = "micros_or_null")]
    pub draining_at: Option<DateTime<Utc>>,
    /// The slots of each worker, if set for the queue.
    pub slots: Option<i32>,
    /// The total slots of the live workers for it; null if none of them serves it.
    pub worker_slots: Option<i64>,
    /// The most of its jobs that may wait to run; more are refused.
    pub max_queued: Option<i32>,
    /// The most of its jobs that run at once over all workers.
    pub max_running: Option<i32>,
    /// The most of its jobs that start in each period over all workers.
    pub rate: Option<i32>,
    /// The period of `rate`, in seconds.
    pub per_seconds: Option<f64>,
    /// The most jobs that start at one moment after an idle time.
    pub burst: Option<i32>,
    /// Seconds of waiting after which a due job is claimed as if its priority were one better.
    pub priority_ageing_seconds: Option<f64>,
    /// The number of its running jobs.
    pub running: i64,
    /// The number of jobs that wait for their turn or for a limit; `counted_to` means that or more.
    pub waiting: i64,
    /// The number of due jobs; `counted_to` means that or more.
    pub available: i64,
    /// How far jobs are counted: 10,000, or less, at least 1,000, where more than ten queues have so many.
    pub counted_to: i64,
    /// The due time of the oldest of them.
    #[serde(serialize_with = "micros_or_null")]
    pub oldest_due_at: Option<DateTime<Utc>>,
}

/// What waits in a queue under one fair key and the same limits.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct QueueKeyDocument {
    /// The fair key of its jobs.
    pub fair_key: Option<String>,
    /// The limits that apply to its jobs.
    pub concurrency_keys: Option<Vec<String>>,
    /// The number of its waiting jobs; 10,000 means that or more.
    pub waiting: i32,
    /// The number of its running jobs.
    pub running: i32,
    /// Since when the oldest of them is due, or when it will be.
    #[serde(serialize_with = "micros_or_null")]
    pub oldest_due_at: Option<DateTime<Utc>>,
}

impl Store {
    /// The keys of a queue with the most waiting jobs.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn queue_keys(&self, queue: &str, most: i32) -> Result<Vec<QueueKeyDocument>> {
        Ok(sqlx::query_as!(
            QueueKeyDocument,
            r#"
            select
              fair_key,
              concurrency_keys,
              waiting as "waiting!",
              running as "running!",
              oldest_due_at
            from queue_keys($1, $2)
            "#,
            queue,
            most
        )
        .fetch_all(self.pool())
        .await?)
    }

    /// All queues, or the one of that name; however many there are, about 100,000 jobs are counted.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn queues(&self, name: Option<&str>) -> Result<Vec<QueueDocument>> {
        Ok(sqlx::query_as!(
            QueueDocument,
            r#"
            select
              s.queue as "name!",
              s.paused_at,
              s.paused_by,
              s.draining_at,
              s.slots,
              s.worker_slots,
              s.max_queued,
              s.max_running,
              s.rate,
              extract(epoch from s.rate_period)::double precision as per_seconds,
              s.burst,
              extract(epoch from s.priority_ageing)::double precision as priority_ageing_seconds,
              s.running as "running!",
              c.waiting as "waiting!",
              c.due as "available!",
              c.counted_to as "counted_to!",
              s.oldest_due_at
            from count_queues($1) c
            join queue_stats s on s.queue = c.queue
            order by s.queue
            "#,
            name as Option<&str>
        )
        .fetch_all(self.pool())
        .await?)
    }

    /// Pauses the queue: nothing is claimed from it until it is resumed.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn pause_queue(&self, queue: &str, by: &str) -> Result<()> {
        let mut acting = self.acting().await?;
        sqlx::query!("select pause_queue($1, $2)", queue, by).execute(acting.connection()).await?;
        acting.commit().await?;
        Ok(())
    }

    /// Ends a pause or a drain.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn resume_queue(&self, queue: &str) -> Result<()> {
        let mut acting = self.acting().await?;
        sqlx::query!("select resume_queue($1)", queue).execute(acting.connection()).await?;
        acting.commit().await?;
        Ok(())
    }

    /// Drains the queue: it accepts no new jobs until it is resumed.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn drain_queue(&self, queue: &str, by: &str) -> Result<()> {
        let mut acting = self.acting().await?;
        sqlx::query!("select drain_queue($1, $2)", queue, by).execute(acting.connection()).await?;
        acting.commit().await?;
        Ok(())
    }

    /// Sets the number of its jobs that each worker runs at once; `None` leaves it to the workers.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn set_slots(&self, queue: &str, slots: Option<i32>) -> Result<()> {
        let mut acting = self.acting().await?;
        sqlx::query!("select set_slots($1, $2)", queue, slots as Option<i32>)
            .execute(acting.connection())
            .await?;
        acting.commit().await?;
        Ok(())
    }

    /// Sets the most of its jobs that may wait to run; `None`: no limit.
    ///
    /// # Errors
    /// When the database fails or refuses the number.
    pub async fn set_max_queued(&self, queue: &str, most: Option<i32>) -> Result<()> {
        let mut acting = self.acting().await?;
        sqlx::query!("select set_max_queued($1, $2)", queue, most as Option<i32>)
            .execute(acting.connection())
            .await?;
        acting.commit().await?;
        Ok(())
    }

    /// Cancels all jobs of the queue that are not running, in bounded batches; returns their number.
    ///
    /// # Errors
    /// When the database fails; earlier batches stay done.
    pub async fn purge_queue(&self, queue: &str, by: &str) -> Result<i64> {
        let mut purged = 0;
        loop {
            let batch = sqlx::query_scalar!(r#"select purge_queue($1, 1000, $2) as "count!""#, queue, by)
                .fetch_one(self.pool())
                .await?;
            purged += batch;
            if batch == 0 {
                return Ok(purged);
            }
        }
    }
}
