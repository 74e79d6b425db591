//! Announces the ends of attempts, for workers and the API alike: counts them, and notifies readers of
//! events, workers with free slots and jobs that wait for others. Hints only,
//! after the commit; must never change a job.

use std::sync::Arc;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::metrics::Metrics;
use crate::store::Store;
use crate::store::attempts::complete::{Completed, CompletedBatch};
use crate::store::attempts::settle::{AttemptEnd, Settled, Settlement};
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
        self.metrics.jobs_completed.inc_by(done.leased.len() as u64);
        if done.awaited {
            self.awaited.notify_one();
        }
        self.ended(batch.iter().map(|item| item.job_id), freed);
    }

    /// After a batch was settled, with what followed for each; `freed` as in [`Announcer::completed`].
    pub(crate) fn settled(&self, batch: &[Settled], settlements: &[Option<Settlement>], freed: bool) {
        for (item, settlement) in batch.iter().zip(settlements) {
            let Some(settlement) = settlement else { continue };
            self.count(item.end, settlement);
            // A job that waits was not put into its queue, or the database said so itself.
            if item.end != AttemptEnd::Waits {
                self.notifier.requeued(&settlement.queue, settlement.state);
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

    fn count(&self, end: AttemptEnd, settlement: &Settlement) {
        use crate::job::state::JobState::{Available, Cancelled, Completed, Failed, Running, Waiting};
        let counter = match settlement.state {
            Completed => &self.metrics.jobs_completed,
            Failed => &self.metrics.jobs_failed,
            Cancelled => &self.metrics.jobs_cancelled,
            Available | Waiting | Running => match end {
                AttemptEnd::Snoozed | AttemptEnd::Released | AttemptEnd::Waits => &self.metrics.jobs_snoozed,
                AttemptEnd::Failed | AttemptEnd::TimedOut | AttemptEnd::Cancelled => {
                    &self.metrics.jobs_retried
                }
            },
        };
        counter.inc();
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
    use super::*;
    use crate::job::attempt::{Failure, Outcome, Usage};
    use crate::job::state::JobState;
    use crate::store::db::wake::Wake;

    /// The hints, and how many jobs failed, are retried, were cancelled and were put off.
    fn announced(outcome: Outcome, state: Option<JobState>) -> (Vec<String>, [u64; 4]) {
        let (notifier, metrics) = (Notifier::default(), Arc::new(Metrics::new()));
        let settled = Settled::of(Uuid::nil(), Uuid::nil(), outcome, Usage::default());
        let settlement = state.map(|state| Settlement { state, queue: "night".into() });
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
        let snoozed = Outcome::Snoozed { delay: std::time::Duration::ZERO };
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
