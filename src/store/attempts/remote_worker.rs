//! Remote workers: their rows, which their requests renew. As with every worker, such a row never
//! decides about a lease.

use serde_json::Value;

use crate::store::{Result, Store};

/// The description that a remote worker sends when it claims.
#[derive(Debug)]
pub struct RemoteWorker<'a> {
    /// Its own name, also its id.
    pub name: &'a str,
    /// The address it calls from.
    pub host: &'a str,
    /// Slots by queue.
    pub queues: &'a Value,
    /// The kinds that it serves.
    pub kinds: &'a [String],
    /// The duration of its leases.
    pub lease_ttl_seconds: f64,
}

impl Store {
    /// Registers a remote worker or renews its row; returns true if a drain was requested. A worker that
    /// was silent for longer than its leases last, while the database was reachable, counts as new.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn see_remote_worker(&self, worker: &RemoteWorker<'_>) -> Result<bool> {
        Ok(sqlx::query_scalar!(
            r#"
            insert into workers as w (id, name, host, version, queues, kinds, lease_ttl)
            values ($1, $1, $2, 'remote', $3, $4, make_interval(secs => $5))
            on conflict (id) do update
            set
              host = excluded.host,
              queues = excluded.queues,
              kinds = excluded.kinds,
              state = case when w.seen_at + w.lease_ttl + paused_time(w.seen_at, open_pause()) >= now() and w.drain_requested_at is not null then 'draining' else 'running' end,
              started_at = case when w.seen_at + w.lease_ttl + paused_time(w.seen_at, open_pause()) >= now() then w.started_at else now() end,
              drain_requested_at = case when w.seen_at + w.lease_ttl + paused_time(w.seen_at, open_pause()) >= now() then w.drain_requested_at end,
              seen_at = clock_timestamp()
            returning drain_requested_at is not null as "drain!"
            "#,
            worker.name,
            worker.host,
            worker.queues,
            worker.kinds,
            worker.lease_ttl_seconds,
        )
        .fetch_one(self.pool())
        .await?)
    }

    /// Renews the row of a remote worker with this number of leases; returns true if a drain was requested,
    /// and false if it has never claimed.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn remote_worker_lives(&self, name: &str, running: i32) -> Result<bool> {
        let drain = sqlx::query_scalar!(
            r#"
            update workers
            set
              running = $2,
              seen_at = clock_timestamp()
            where id = $1
            returning drain_requested_at is not null as "drain!"
            "#,
            name,
            running,
        )
        .fetch_optional(self.pool())
        .await?;
        Ok(drain.unwrap_or(false))
    }
}
