//! Workers: their rows, heartbeats and sign-offs. A row here is for people to read and for drain
//! requests; it never decides whether a lease is valid.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::job::document::micros;
use crate::store::{Result, Store};

/// The description that a worker writes.
#[derive(Debug, Clone)]
pub struct WorkerRow {
    pub id: String,
    pub name: String,
    pub host: String,
    pub pid: Option<i32>,
    pub version: String,
    /// running or draining.
    pub state: &'static str,
    /// Slots by queue.
    pub queues: Value,
    pub kinds: Vec<String>,
    pub running: i32,
    pub shedding: bool,
    /// How processes left by its commands are ended, if it runs commands.
    pub containment: Option<String>,
    pub lease_ttl_seconds: f64,
    /// The number of jobs that it runs at once of each queue that is not in `queues`.
    pub other_queue_slots: i32,
    /// The number of further queues with due jobs while it already followed the most that it can.
    pub queues_left_out: i32,
    /// The memory of its process, if known.
    pub memory_bytes: Option<i64>,
    /// Processor time of its process, if known.
    pub cpu_seconds: Option<f64>,
}

/// A worker as shown to people.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct WorkerDocument {
    /// Unique for each start.
    pub id: String,
    /// Its name for people.
    pub name: String,
    /// Its machine.
    pub host: String,
    /// Its process id there.
    pub pid: Option<i32>,
    /// Its version.
    pub version: String,
    /// running, draining, stopped, or lost (no heartbeat).
    pub state: String,
    /// Slots by queue.
    pub queues: Value,
    /// The kinds that it serves.
    pub kinds: Vec<String>,
    /// The number of its running attempts.
    pub running: i64,
    /// Whether it stores less progress because an old transaction keeps dead rows in the database; `doctor`
    /// names the transaction.
    pub shedding: bool,
    /// How processes that its commands left in their own sessions are ended: `cgroup`, `reaper`, or `group`
    /// for not at all; null for remote workers.
    pub containment: Option<String>,
    /// The memory of its process at its last heartbeat; null for remote workers.
    pub memory_bytes: Option<i64>,
    /// Processor time of its process since its start; null for remote workers.
    pub cpu_seconds: Option<f64>,
    /// The time of its start.
    #[serde(serialize_with = "micros")]
    pub started_at: DateTime<Utc>,
    /// Its last heartbeat.
    #[serde(serialize_with = "micros")]
    pub seen_at: DateTime<Utc>,
}

impl Store {
    /// Registers a worker or renews its row; returns true if a drain was requested.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn see_worker(&self, worker: &WorkerRow) -> Result<bool> {
        Ok(sqlx::query_scalar!(
            r#"
            insert into workers as w (
              id, name, host, pid, version, state, queues, kinds, running, lease_ttl, clock_skew, shedding, memory_bytes, cpu_seconds,
              other_queue_slots, queues_left_out,
              containment)
            values (
              $1, $2, $3, $4, $5, $6, $7, $8, $9, make_interval(secs => $10), $11::timestamptz - clock_timestamp(), $12, $13, $14,
              $15, $16, $17)
            on conflict (id) do update
            set
              state = excluded.state,
              queues = excluded.queues,
              kinds = excluded.kinds,
              running = excluded.running,
              clock_skew = excluded.clock_skew,
              shedding = excluded.shedding,
              memory_bytes = excluded.memory_bytes,
              cpu_seconds = excluded.cpu_seconds,
              other_queue_slots = excluded.other_queue_slots,
              queues_left_out = excluded.queues_left_out,
              containment = excluded.containment,
              seen_at = clock_timestamp()
            returning drain_requested_at is not null as "drain!"
            "#,
            worker.id,
            worker.name,
            worker.host,
            worker.pid,
            worker.version,
            worker.state,
            worker.queues,
            &worker.kinds,
            worker.running,
            worker.lease_ttl_seconds,
            Utc::now(),
            worker.shedding,
            worker.memory_bytes,
            worker.cpu_seconds,
            worker.other_queue_slots,
            worker.queues_left_out,
            worker.containment,
        )
        .fetch_one(self.pool())
        .await?)
    }

    /// Records that a worker has stopped.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn worker_stopped(&self, id: &str) -> Result<()> {
        sqlx::query!(
            "update workers set state = 'stopped', running = 0, seen_at = clock_timestamp() where id = $1",
            id
        )
        .execute(self.pool())
        .await?;
        Ok(())
    }

    /// Asks a worker to claim no more jobs; returns false if there is no such worker.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn drain_worker(&self, id: &str) -> Result<bool> {
        let mut acting = self.acting().await?;
        let asked = sqlx::query_scalar!(r#"select drain_worker($1) as "asked!""#, id)
            .fetch_one(acting.connection())
            .await?;
        acting.commit().await?;
        Ok(asked)
    }

    /// The number of jobs of each queue that a worker is running; queues without any are missing.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn running_of(&self, worker_id: &str) -> Result<HashMap<String, i64>> {
        let rows = sqlx::query!(
            r#"
            select
              queue,
              count(*) as "running!"
            from running
            where worker_id = $1
            group by queue
            "#,
            worker_id
        )
        .fetch_all(self.pool())
        .await?;
        Ok(rows.into_iter().map(|row| (row.queue, row.running)).collect())
    }

    /// Workers, at most 500, live ones first, then newest first; workers gone for a day are not listed.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn workers(&self) -> Result<Vec<WorkerDocument>> {
        Ok(sqlx::query_as!(
            WorkerDocument,
            r#"
            select
              w.id,
              w.name,
              w.host,
              w.pid,
              w.version,
              s.state as "state!",
              w.queues,
              w.kinds,
              (select count(*) from running r where r.worker_id = w.id) as "running!",
              w.shedding,
              w.containment,
              w.memory_bytes,
              w.cpu_seconds,
              w.started_at,
              w.seen_at
            from (
              -- However many ended since, those that live are among them.
              select *
              from workers
              order by (state <> 'stopped' and seen_at > now() - lease_ttl) desc, started_at desc
              limit 500
            ) w
            join worker_status s on s.id = w.id
            order by w.started_at desc
            "#
        )
        .fetch_all(self.pool())
        .await?)
    }
}
