//! A handler's use of other jobs: it enqueues children, once per name however often the attempt is
//! repeated, and waits for their outcomes without holding a slot.

use std::time::Duration;

use uuid::Uuid;

use super::Context;
use crate::job::attempt::Wait;
use crate::job::new::NewJob;
use crate::job::trace::TraceParent;
use crate::job::workflow::Workflow;
use crate::store::attempts::children::Ended;
use crate::store::jobs::prepared::Child;
use crate::store::trace_scope::traced_or;
use crate::worker::handler::JobError;

/// How long a job is put off if a full queue refused its child.
const FULL_FOR: Duration = Duration::from_secs(1);

impl Context {
    /// Enqueues a child job. The same name always gives the same job, also in a later attempt.
    ///
    /// # Errors
    /// When the database fails or refuses the job, its queue is full (a snooze), or the lease is lost: end
    /// the attempt with the error.
    pub async fn spawn(&self, name: &str, job: &NewJob) -> Result<Uuid, JobError> {
        let store = self.store()?;
        let job = traced_or(self.span(), || store.prepare_inline(job.clone()))?;
        self.spawn_child(name, &Child::Job(Box::new(job))).await
    }

    /// Enqueues a child workflow. The same name always gives the same workflow, also in a later attempt.
    ///
    /// # Errors
    /// As [`Context::spawn`].
    pub async fn spawn_workflow(&self, name: &str, workflow: &Workflow) -> Result<Uuid, JobError> {
        let store = self.store()?;
        let workflow = traced_or(self.span(), || store.prepare_workflow(workflow))?;
        self.spawn_child(name, &Child::Workflow(workflow)).await
    }

    /// The outcomes of these jobs, in the given order. While one is unfinished, this returns an error that
    /// ends the attempt without counting it, and the job runs again when all have finished: pass the error
    /// on with `?`. A job that is no longer kept (its `retain` has passed, or it was deleted) counts as
    /// cancelled, with an error of the type `gone`.
    ///
    /// # Errors
    /// While one of them is unfinished, and when the database fails.
    pub async fn wait_for(&self, jobs: &[Uuid]) -> Result<Vec<Ended>, JobError> {
        let store = self.store()?;
        let ended = self.answered("ends", || store.ends_of(jobs)).await?;
        let ends = jobs.iter().map(|id| ended.iter().find(|end| end.job_id == *id).cloned());
        if let Some(ends) = ends.collect::<Option<Vec<_>>>() {
            return Ok(ends);
        }
        let is_gone = |id: &&Uuid| ended.iter().any(|end| end.job_id == **id && end.is_gone());
        let parents = jobs.iter().filter(|id| !is_gone(id)).copied().collect();
        Err(JobError::wait(Wait::Jobs { parents }))
    }

    /// The span that its children continue.
    fn span(&self) -> Option<TraceParent> {
        self.attempt().traceparent.as_deref().and_then(TraceParent::parse)
    }

    async fn spawn_child(&self, name: &str, child: &Child) -> Result<Uuid, JobError> {
        // Its event must come after earlier reports.
        self.flush().await;
        let store = self.store()?;
        match self.answered("spawn", || store.spawn_child(self.lease(), name, child)).await {
            // The job waits for free space in the queue without a slot, and then continues.
            Err(error) if error.is_queue_full() => Err(JobError::snooze(FULL_FOR)),
            child => child?.ok_or_else(JobError::lost),
        }
    }
}
