//! Runs one job now: with the real worker, or completely within a transaction of the test. Must
//! never run another job that is due.

use sqlx::PgConnection;
use uuid::Uuid;

use super::error::TestError;
use super::mill::TestMill;
use crate::job::attempt::Outcome;
use crate::job::document::JobDocument;
use crate::job::new::NewJob;
use crate::job::state::JobState;
use crate::store::attempts::claim::{ClaimRequest, Claimed, Position, Terms, claim_in};
use crate::store::attempts::report::{Reported, report_in};
use crate::store::attempts::settle::{Settled, settle_in};
use crate::store::db::search_path::{search_path, set_search_path};
use crate::store::jobs::enqueue::enqueue;
use crate::store::jobs::find::find_jobs_in;
use crate::worker::context::Attempt;
use crate::worker::handler::Handler;
use crate::worker::testing::attempted;
use crate::worker::{Worker, WorkerBuilder};

/// The name of the worker that ran it.
const WORKER: &str = "test";

impl TestMill {
    /// Enqueues a job and runs one attempt of it now, due or not, and of no other job; returns its outcome.
    /// Jobs that it enqueues wait for [`TestMill::drain`].
    ///
    /// # Errors
    /// When the database fails, and for a job that waits for others.
    pub async fn run_now(
        &self,
        job: NewJob,
        build: impl FnOnce(WorkerBuilder) -> WorkerBuilder,
    ) -> Result<JobDocument, TestError> {
        let id = self.enqueue(job).await?;
        must_be_free(&self.job(id).await)?;
        build(Worker::builder(self.store.clone())).build().run_one(id).await?;
        self.store.resolve().await?;
        Ok(self.job(id).await)
    }

    /// As [`TestMill::run_now`], in the test's own transaction: the job, its events and its outcome are
    /// invisible to others, and disappear with a rollback. The handler's context has no database: steps are
    /// kept only for the attempt, and children and signals are refused.
    ///
    /// # Errors
    /// As [`TestMill::run_now`].
    pub async fn run_now_in<H: Handler>(
        &self,
        transaction: &mut PgConnection,
        job: NewJob,
        handler: H,
    ) -> Result<JobDocument, TestError> {
        let path = search_path(transaction).await?;
        set_search_path(transaction, &format!("\"{}\"", self.schema())).await?;
        let done = self.run_here(transaction, job, handler).await?;
        set_search_path(transaction, &path).await?;
        Ok(done)
    }

    async fn run_here<H: Handler>(
        &self,
        transaction: &mut PgConnection,
        job: NewJob,
        handler: H,
    ) -> Result<JobDocument, TestError> {
        let job = self.store.prepare_inline(job)?;
        let id = enqueue(&mut *transaction, std::slice::from_ref(&job), false).await?[0].id;
        must_be_free(&find(transaction, id).await?)?;
        let Some(claimed) = claim(transaction, &job.kind, id).await? else {
            return find(transaction, id).await;
        };
        let (job_id, lease_id) = (claimed.id, claimed.lease_id);
        let attempt = Attempt {
            job_id,
            lease_id,
            attempt: claimed.attempt,
            max_attempts: claimed.max_attempts,
            kind: claimed.kind,
            queue: claimed.queue,
            args: claimed.args,
            execution_id: claimed.execution_id,
            traceparent: claimed.traceparent,
        };
        let (outcome, usage, events) = attempted(handler, attempt).await;
        let events: Vec<_> = events.into_iter().map(|draft| Reported { job_id, lease_id, draft }).collect();
        report_in(&mut *transaction, &events).await?;
        match outcome {
            Outcome::Completed { result } => {
                let result = match result.filter(|result| !result.is_null()) {
                    Some(result) => Some(self.store.keep_result((job_id, lease_id), result).await?),
                    None => None,
                };
                self.store.complete_in(&mut *transaction, (job_id, lease_id), result.as_ref()).await?;
            }
            outcome => {
                let settled: Vec<Settled> =
                    Settled::of(job_id, lease_id, outcome, usage).into_iter().collect();
                settle_in(&mut *transaction, &settled).await?;
            }
        }
        find(transaction, id).await
    }
}

/// Refuses a job that has no time at which it is due.
fn must_be_free(job: &JobDocument) -> Result<(), TestError> {
    if job.finished_at.is_none() && job.state != JobState::Running && job.run_at.is_some() {
        return Ok(());
    }
    Err(TestError::NotFree(job.id, job.status.clone()))
}

async fn claim(transaction: &mut PgConnection, kind: &str, id: Uuid) -> Result<Option<Claimed>, TestError> {
    let request = ClaimRequest {
        queue: "",
        kinds: &[kind.to_owned()],
        limit: 0,
        cursor: &[Position::HEAD; 9],
        worker_id: WORKER,
        lease_ttl_seconds: 3600.0,
        picked: &[id],
        terms: Terms::default(),
    };
    Ok(claim_in(&mut *transaction, &request).await?.pop())
}

async fn find(transaction: &mut PgConnection, id: Uuid) -> Result<JobDocument, TestError> {
    let job = find_jobs_in(&mut *transaction, &[id]).await?.pop();
    job.ok_or_else(|| TestError::NotFree(id, "gone".into()))
}
