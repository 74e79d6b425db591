//! Heartbeat: renews the leases that a worker names, and returns the leases that are still valid and the jobs
//! to cancel. The database's clock decides; a lease that was taken back stays lost.

use uuid::Uuid;

use crate::store::{Result, Store};

/// A lease that is still held.
#[derive(Debug, Clone)]
pub struct RenewedLease {
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
    ) -> Result<Vec<RenewedLease>> {
        let renewed = sqlx::query_file_as!(
            RenewedLease,
            "src/store/attempts/heartbeat.sql",
            worker_id,
            leases,
            lease_ttl_seconds,
        )
        // Not a claim connection: the worker trusts this answer, so a crash must not undo it.
        .fetch_all(self.writes())
        .await?;
        Ok(renewed)
    }
}
