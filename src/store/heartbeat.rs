//! Heartbeat: renews the leases that a worker names and tells it which it still holds and which jobs
//! somebody wants cancelled. Judged by the database's clock; a lease that was taken back stays lost.

use uuid::Uuid;

use super::{Result, Store};

/// A lease that is still held.
#[derive(Debug, Clone)]
pub struct Held {
    pub job_id: Uuid,
    pub lease_id: Uuid,
    /// True when the job shall be cancelled.
    pub cancel: bool,
}

impl Store {
    /// Renews leases; those missing from the answer are lost.
    ///
    /// # Errors
    /// When the database fails; then none is renewed.
    pub async fn heartbeat(
        &self,
        worker_id: &str,
        leases: &[Uuid],
        lease_ttl_seconds: f64,
    ) -> Result<Vec<Held>> {
        let held = sqlx::query_as!(
            Held,
            r#"
            -- Locked in the order of the jobs, as by all who end a batch of attempts.
            with named as materialized (
              select r.job_id
              from running r
              where r.lease_id = any($2)
                and r.worker_id = $1
              order by r.job_id
              for no key update
            ),
            renewed as (
              update running r
              set
                seen_at = clock_timestamp(),
                lease_expires_at = clock_timestamp() + make_interval(secs => $3)
              from named n
              where r.job_id = n.job_id
                and r.lease_id = any($2)
              returning r.job_id, r.lease_id
            )
            select
              r.job_id as "job_id!",
              r.lease_id as "lease_id!",
              j.cancel_requested_at is not null as "cancel!"
            from renewed r
            join jobs_live j on j.id = r.job_id and j.lease_id = r.lease_id
            "#,
            worker_id,
            leases,
            lease_ttl_seconds,
        )
        // Not a claims connection: the worker trusts what it is told here, so no crash may take it back.
        .fetch_all(self.writes())
        .await?;
        Ok(held)
    }
}
