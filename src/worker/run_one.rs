//! Runs one job and no other, with everything that a worker does for it: for tests. Claims only
//! that job, sends no heartbeats, and ends with the job's attempt.

use tokio::task::JoinSet;
use uuid::Uuid;

use super::attempts::{completer, executor, reporter};
use super::claims::queue_slots::Waiting;
use super::leases::{Traits, boot_time};
use super::run::{Worker, meet};
use crate::store::Result;
use crate::store::attempts::claim::{ClaimRequest, Position, Terms, claim_in};

impl Worker {
    /// Claims this job, due or not, and runs one attempt of it; false if it could not be claimed.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn run_one(self, job_id: Uuid) -> Result<bool> {
        let Self { shared, reports, endings, .. } = self;
        meet(&shared).await?;
        let asked_at = boot_time();
        let request = ClaimRequest {
            queue: "",
            kinds: &shared.registry.kinds(),
            limit: 0,
            cursor: &[Position::HEAD; 9],
            worker_id: &shared.id,
            lease_ttl_seconds: shared.settings.lease_ttl.as_secs_f64(),
            picked: &[job_id],
            terms: Terms { own: &shared.registry.terms(), enforced: false, short: &[] },
        };
        let Some(job) = claim_in(shared.store.pool(), &request).await?.pop() else { return Ok(false) };
        let mut writers = JoinSet::new();
        writers.spawn(reporter::run(shared.clone(), reports));
        writers.spawn(completer::run(shared.clone(), endings));
        let traits = Traits { counted: job.grouped, ..Traits::default() };
        let handles = shared.leases.add(job.id, job.lease_id, asked_at, traits);
        executor::run(&shared, Waiting { job, handles }).await;
        shared.close().await;
        writers.join_all().await;
        shared.store.worker_stopped(&shared.id).await?;
        Ok(true)
    }
}
