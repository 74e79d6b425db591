//! Register: enters attempts of short kinds in `running`, where heartbeats, limits and the sweep find them. A claim
//! leaves them out, because nearly all of them end before anybody asks.

use std::collections::HashSet;

use uuid::Uuid;

use crate::store::{Result, Store};

impl Store {
    /// Enters running attempts, each a job and its lease; returns the jobs of those that are there now. An attempt that
    /// is about to end, or whose job somebody has locked, is left out.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn register(&self, attempts: &[(Uuid, Uuid)]) -> Result<HashSet<Uuid>> {
        let (jobs, leases): (Vec<Uuid>, Vec<Uuid>) = attempts.iter().copied().unzip();
        let registered =
            sqlx::query_scalar!(r#"select register_attempts($1, $2) as "job_id!""#, &jobs, &leases);
        // As for heartbeats: the worker trusts this answer, so a crash must not undo it.
        Ok(registered.fetch_all(self.writes()).await?.into_iter().collect())
    }

    /// Removes the rows in `running` of attempts that have ended, each a job and its lease. An attempt that ends while
    /// another transaction enters it does not see its row.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn forget_ended(&self, attempts: &[(Uuid, Uuid)]) -> Result<()> {
        let (jobs, leases): (Vec<Uuid>, Vec<Uuid>) = attempts.iter().copied().unzip();
        sqlx::query!(
            "
            delete from running r
            using unnest($1::uuid[], $2::uuid[]) as i (job_id, lease_id)
            where r.job_id = i.job_id
              and r.lease_id = i.lease_id
              and not exists (select from jobs_live j where j.id = i.job_id and j.lease_id = i.lease_id)
            ",
            &jobs,
            &leases,
        )
        .execute(self.pool())
        .await?;
        Ok(())
    }

    /// Removes claims whose attempts have all ended or are entered in `running`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn forget_claims(&self, leases: &[Uuid]) -> Result<()> {
        // Without waiting for the disk: a claim that comes back after a crash is removed when its lease ends.
        sqlx::query!("delete from claim_batches where lease_id = any($1)", leases)
            .execute(self.claims())
            .await?;
        Ok(())
    }
}
