//! Announces the ends of attempts, for workers, the API and the sweep alike: counts them, and notifies
//! readers of events, workers with free slots and jobs that wait for others. Hints only,
//! after the commit; must never change a job.

use std::sync::Arc;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::job::state::JobState;
use crate::metrics::{AttemptOutcome, Metrics};
use crate::spans;
use crate::store::Store;
use crate::store::attempts::complete::{Completed, CompletedBatch};
use crate::store::attempts::ended_attempt::EndedAttempt;
use crate::store::attempts::settle::{AttemptEnd, Settled, Settlement};
use crate::store::attempts::sweep::{SweepReason, Swept};
use crate::store::db::notifier::Notifier;

/// Announces the ends of attempts that this process stored; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Announcer {
    notifier: Notifier,
    metrics: Arc<Metrics>,
    /// A job completed that other jobs wait for.
    awaited: Arc<Notify>,
}

impl Announcer {
    /// An announcer that counts and notifies with these.
    #[must_use]
    pub(crate) fn new(notifier: Notifier, metrics: Arc<Metrics>) -> Self {
        Self { notifier, metrics, awaited: Arc::default() }
    }

    /// After a batch was completed. `freed` says whether one of the jobs counted against a limit; true if
    /// that is unknown.
    pub(crate) fn completed(&self, batch: &[Completed], done: &CompletedBatch, freed: bool) {
        for ran in &done.ran {
            self.record(AttemptOutcome::Completed, ran);
        }
        if done.awaited {
            self.awaited.notify_one();
        }
        self.ended(batch.iter().map(|item| item.job_id), freed);
    }

    /// After a batch was settled, with what followed for each; `freed` as in [`Announcer::completed`].
    pub(crate) fn settled(&self, batch: &[Settled], settlements: &[Option<Settlement>], freed: bool) {
        for (item, settlement) in batch.iter().zip(settlements) {
            let Some(settlement) = settlement else { continue };
            self.count(item.end, settlement.state, &settlement.ran);
            // A job that waits was not put into its queue, or the database said so itself.
            if item.end != AttemptEnd::Waits {
                self.notifier.requeued(&settlement.ran.queue, settlement.state);
            }
        }
        self.ended(batch.iter().map(|item| item.job_id), freed);
    }

    /// Sent for lost leases too: an earlier try may have stored the end, and its answer was lost.
    fn ended(&self, jobs: impl Iterator<Item = Uuid>, freed: bool) {
        if freed {
            self.notifier.freed();
        }
        self.notifier.events(jobs.map(|job_id| (job_id, 0)));
    }

    /// After jobs of lost or overdue attempts were taken back.
    pub(crate) fn swept(&self, swept: &[Swept]) {
        for job in swept {
            let Some(state) = job.state else { continue };
            if let Some(ran) = job.ran.as_ref().filter(|_| job.reason != SweepReason::Expired) {
                self.count(AttemptEnd::Failed, state, ran);
            }
            if let Some(queue) = &job.queue {
                self.notifier.requeued(queue, state);
            }
        }
        self.ended(swept.iter().map(|job| job.job_id), true);
    }

    fn count(&self, end: AttemptEnd, state: JobState, ran: &EndedAttempt) {
        let outcome = match (state, end) {
            (JobState::Completed, _) => AttemptOutcome::Completed,
            (JobState::Failed, _) => AttemptOutcome::Failed,
            (JobState::Cancelled, _) => AttemptOutcome::Cancelled,
            (_, AttemptEnd::Snoozed) => AttemptOutcome::Snoozed,
            (_, AttemptEnd::Released) => AttemptOutcome::Released,
            (_, AttemptEnd::Waits) => AttemptOutcome::Waits,
            (_, AttemptEnd::Failed | AttemptEnd::TimedOut | AttemptEnd::Cancelled) => AttemptOutcome::Retried,
        };
        self.record(outcome, ran);
    }

    fn record(&self, outcome: AttemptOutcome, ran: &EndedAttempt) {
        self.metrics.ended(&ran.kind, &ran.queue, outcome, ran.lasted());
        spans::attempt(ran, outcome);
    }

    /// Resolves the dependents of jobs that complete here, until the token is cancelled. An optimisation
    /// only: the maintenance loop does it otherwise.
    pub(crate) async fn resolve_dependents(self, store: Store, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.awaited.notified() => {}
            }
            if let Err(error) = store.resolve().await {
                tracing::warn!(
                    %error,
                    "dependent jobs could not be resolved; the maintenance loop resolves them"
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use chrono::DateTime;

    use super::*;
    use crate::job::attempt::{Failure, Outcome, Usage};
    use crate::store::db::wake::Wake;

    /// The hints, and how many jobs failed, are retried, were cancelled and were put off.
    fn announced(outcome: Outcome, state: Option<JobState>) -> (Vec<String>, [u64; 4]) {
        let (notifier, metrics) = (Notifier::default(), Arc::new(Metrics::new()));
        let settled = Settled::of(Uuid::nil(), Uuid::nil(), outcome, Usage::default());
        let ran = EndedAttempt {
            job_id: Uuid::nil(),
            lease_id: Uuid::nil(),
            attempt: 1,
            kind: "k".into(),
            queue: "night".into(),
            started_at: DateTime::UNIX_EPOCH,
            ended_at: DateTime::UNIX_EPOCH,
            traceparent: None,
        };
        let settlement = state.map(|state| Settlement { state, ran });
        Announcer::new(notifier.clone(), metrics.clone()).settled(settled.as_slice(), &[settlement], true);
        let Metrics { jobs_failed, jobs_retried, jobs_cancelled, jobs_snoozed, .. } = &*metrics;
        let counters = [jobs_failed, jobs_retried, jobs_cancelled, jobs_snoozed];
        (notifier.pending_lines(), counters.map(prometheus::IntCounter::get))
    }

    fn failed() -> Outcome {
        Outcome::Failed { failure: Failure::default() }
    }

    fn end() -> String {
        Wake::Event(Uuid::nil(), 0).to_string()
    }

    #[test]
    fn a_job_that_returns_wakes_its_queue_and_no_other() {
        let snoozed = Outcome::Snoozed { delay: Duration::ZERO };
        for outcome in [failed(), snoozed, Outcome::Released] {
            let (lines, _) = announced(outcome.clone(), Some(JobState::Available));
            assert_eq!(
                lines,
                [Wake::Queue("night".into()).to_string(), Wake::Capacity.to_string(), end()],
                "{outcome:?}"
            );
            let (lines, _) = announced(outcome, Some(JobState::Waiting));
            assert_eq!(
                lines,
                [Wake::Group("night".into()).to_string(), Wake::Capacity.to_string(), end()],
                "of a group"
            );
        }
        let (lines, _) = announced(failed(), Some(JobState::Failed));
        assert_eq!(lines, [Wake::Capacity.to_string(), end()]);
        let (lines, _) = announced(failed(), None);
        assert_eq!(lines, [Wake::Capacity.to_string(), end()], "an earlier try may have stored it");
    }

    #[test]
    fn each_end_is_counted_once() {
        let count = |outcome, state| announced(outcome, state).1;
        assert_eq!(count(failed(), Some(JobState::Failed)), [1, 0, 0, 0]);
        assert_eq!(count(failed(), Some(JobState::Available)), [0, 1, 0, 0]);
        assert_eq!(count(failed(), Some(JobState::Cancelled)), [0, 0, 1, 0]);
        assert_eq!(count(Outcome::Released, Some(JobState::Waiting)), [0, 0, 0, 1]);
        assert_eq!(count(Outcome::Released, None), [0; 4]);
    }
}
