//! Heartbeat: renews the leases that a worker names and returns which are still held and which jobs
//! are to be cancelled. Judged by the database's clock; a lease that was taken back stays lost.

use uuid::Uuid;

use crate::store::{Result, Store};

/// A lease that is still held.
#[derive(Debug, Clone)]
pub struct Held {
    pub job_id: Uuid,
    pub lease_id: Uuid,
    /// True if a cancel was requested.
    pub cancel: bool,
    /// True if its soft timeout has passed.
    pub overdue: bool,
    /// False if the end of the lease was being written at the same time: then it was not renewed.
    pub renewed: bool,
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
            with named as materialized (
              select job_id, lease_id, soft_at
              from running
              where worker_id = $1
                -- Written so that it is looked up in a hash, however many there are.
                and (lease_id in (select unnest($2::uuid[]))) is true
            ),
            -- Passes over what others hold: whoever waits here with locks of its own, and ends many
            -- attempts in another order, would wait for ever.
            free as materialized (
              select r.job_id
              from named n
              join running r on r.job_id = n.job_id and r.lease_id = n.lease_id
              for no key update of r skip locked
            ),
            renewed as (
              update running r
              set
                seen_at = clock_timestamp(),
                lease_expires_at = clock_timestamp() + make_interval(secs => $3)
              from free f
              where r.job_id = f.job_id
              returning r.job_id
            )
            select
              n.job_id as "job_id!",
              n.lease_id as "lease_id!",
              j.cancel_requested_at is not null as "cancel!",
              coalesce(n.soft_at < clock_timestamp(), false) as "overdue!",
              n.job_id in (select job_id from renewed) as "renewed!"
            from named n
            join jobs_live j on j.id = n.job_id and j.lease_id = n.lease_id
            "#,
            worker_id,
            leases,
            lease_ttl_seconds,
        )
        // Not a claim connection: the worker trusts this answer, so a crash must not undo it.
        .fetch_all(self.writes())
        .await?;
        Ok(held)
    }
}
