//! Runs jobs until no due job is left: with the real worker, in this process, within a bounded
//! time.

use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

use super::error::TestError;
use super::mill::{TestMill, shown};
use crate::job::document::JobDocument;
use crate::job::state::JobState;
use crate::store::jobs::list::Filter;
use crate::worker::{Shutdown, Worker, WorkerBuilder, WorkerSettings};

/// Jobs that are not done within this time are an error.
const TIMEOUT: Duration = Duration::from_mins(1);

/// The outcomes of the jobs that a drain ran.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Drained {
    /// The number of completed jobs.
    pub completed: usize,
    /// The number of jobs that failed for good.
    pub failed: usize,
    /// The number of cancelled jobs.
    pub cancelled: usize,
    /// The number of jobs left: not due, waiting, or of kinds without a handler.
    pub left: usize,
}

impl TestMill {
    /// Runs due jobs, and the jobs that they enqueue, with the handlers that `build` adds; jobs that are
    /// scheduled or wait for a retry are left.
    ///
    /// # Errors
    /// When the database fails, or the jobs are not done within a minute.
    pub async fn drain(
        &self,
        build: impl FnOnce(WorkerBuilder) -> WorkerBuilder,
    ) -> Result<Drained, TestError> {
        self.run_until_rest(build, false).await
    }

    /// As [`TestMill::drain`], but lets time pass until nothing is left to fall due: retries, delays,
    /// sleeps and timeouts come as fast as they can.
    ///
    /// # Errors
    /// As [`TestMill::drain`].
    pub async fn drain_all(
        &self,
        build: impl FnOnce(WorkerBuilder) -> WorkerBuilder,
    ) -> Result<Drained, TestError> {
        self.run_until_rest(build, true).await
    }

    async fn run_until_rest(
        &self,
        build: impl FnOnce(WorkerBuilder) -> WorkerBuilder,
        with_time: bool,
    ) -> Result<Drained, TestError> {
        let before = self.finished().await?;
        let settings = WorkerSettings {
            name: "test".into(),
            other_queue_slots: 10,
            poll: Duration::from_millis(20),
            shutdown_timeout: TIMEOUT,
            ..WorkerSettings::default()
        };
        let worker = build(Worker::builder(self.store.clone()).settings(settings)).build();
        let kinds = worker.kinds();
        let shutdown = Shutdown::default();
        let running = tokio::spawn(worker.run(shutdown.clone()));
        let rested = self.rest(&kinds, with_time).await;
        shutdown.graceful.cancel();
        // A worker that panicked left its jobs unchanged; the counts show it.
        let _ = running.await;
        rested?;
        let after = self.finished().await?;
        let new = after.iter().filter(|(id, _)| !before.iter().any(|(known, _)| known == id));
        let mut drained = Drained { left: self.live().await?.len(), ..Drained::default() };
        for (_, state) in new {
            match state {
                JobState::Completed => drained.completed += 1,
                JobState::Failed => drained.failed += 1,
                _ => drained.cancelled += 1,
            }
        }
        Ok(drained)
    }

    /// Waits until no job with a handler is running or due.
    async fn rest(&self, kinds: &[String], with_time: bool) -> Result<(), TestError> {
        let until = Instant::now() + TIMEOUT;
        let mut rested = false;
        loop {
            let resolved = self.store.resolve().await?;
            let kept = self.run_maintenance().await?;
            let is_quiet = resolved == 0 && kept == 0 && self.store.jobs_to_run(kinds).await? == 0;
            let next = if is_quiet && with_time { self.store.next_due_in().await? } else { None };
            match next {
                // A moment more than needed, because clocks count in microseconds.
                Some(seconds) => {
                    self.store.skip_idle_time(Duration::from_secs_f64(seconds.max(0.0) + 0.001)).await?;
                }
                // A job that fell due between two queries is in neither answer; the next poll finds it.
                None if is_quiet && rested => return Ok(()),
                None => {}
            }
            rested = is_quiet && next.is_none();
            if Instant::now() > until {
                return Err(TestError::Restless(TIMEOUT, shown(&self.live().await?)));
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Runs maintenance once: takes expired leases back and fires schedules; returns the amount of work
    /// done.
    async fn run_maintenance(&self) -> Result<usize, TestError> {
        let mut done = self.store.sweep().await?.len();
        for schedule in self.store.releasable_schedules().await? {
            done += usize::from(self.store.release_slot(&schedule).await?.is_some());
        }
        for schedule in self.store.pending_schedules().await? {
            done += self.store.advance_schedule(&schedule).await?.len();
        }
        Ok(done)
    }

    async fn finished(&self) -> Result<Vec<(Uuid, JobState)>, TestError> {
        let filter = Filter {
            finished_after: Some(chrono::DateTime::UNIX_EPOCH),
            limit: 100_000,
            ..Filter::default()
        };
        let jobs = self.store.list_jobs(&filter).await?.jobs;
        Ok(jobs.into_iter().map(|job| (job.id, job.state)).collect())
    }

    async fn live(&self) -> Result<Vec<JobDocument>, TestError> {
        let filter = Filter { limit: 1000, ..Filter::default() };
        let jobs = self.store.list_jobs(&filter).await?.jobs;
        Ok(jobs.into_iter().filter(|job| job.finished_at.is_none()).collect())
    }
}
