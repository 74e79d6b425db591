//! Attempts by kind and queue: how long their jobs waited, how long they ran, how they ended. Must never keep
//! more pairs of a kind and a queue than a bound, however many the callers make up.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use prometheus::{Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, Opts, Registry};

use super::register::{SOUND, add};

/// From milliseconds to hours.
const SECONDS: &[f64] = &[
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3_600.0,
    14_400.0,
];
/// How many pairs have series of their own.
const PAIRS: usize = 200;
/// The kind and the queue of all further pairs: no name begins so.
const OTHER: &str = "_other";

/// What became of a job when an attempt of it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttemptOutcome {
    /// It completed.
    Completed,
    /// It failed for good.
    Failed,
    /// It failed or was lost, and is tried again.
    Retried,
    /// It was cancelled.
    Cancelled,
    /// It is put off.
    Snoozed,
    /// Its worker handed it back.
    Released,
    /// It waits for a signal or for other jobs.
    Waits,
}

impl AttemptOutcome {
    const ALL: [(Self, &'static str); 7] = [
        (Self::Completed, "completed"),
        (Self::Failed, "failed"),
        (Self::Retried, "retried"),
        (Self::Cancelled, "cancelled"),
        (Self::Snoozed, "snoozed"),
        (Self::Released, "released"),
        (Self::Waits, "waits"),
    ];

    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        Self::ALL.iter().find(|(one, _)| *one == self).map_or("", |(_, word)| word)
    }
}

/// The series of one kind in one queue.
#[derive(Debug)]
struct Pair {
    waited: Histogram,
    ran: Histogram,
    /// In the order of the outcomes. All are there from the start, so that a first failure is an increase.
    ends: [IntCounter; AttemptOutcome::ALL.len()],
}

#[derive(Debug)]
pub(super) struct AttemptMetrics {
    waited: HistogramVec,
    ran: HistogramVec,
    ends: IntCounterVec,
    /// By kind, then by queue.
    pairs: RwLock<HashMap<String, HashMap<String, Arc<Pair>>>>,
}

impl AttemptMetrics {
    pub(super) fn new(registry: &Registry) -> Self {
        let histogram = |name: &str, help: &str| {
            let options = HistogramOpts::new(name, help).buckets(SECONDS.to_vec());
            add(registry, HistogramVec::new(options, &["kind", "queue"]).expect(SOUND))
        };
        let ends = Opts::new("tidemill_attempts_total", "Attempts that ended, by the outcome for the job");
        Self {
            waited: histogram(
                "tidemill_job_wait_seconds",
                "Time from when a job was due until an attempt of it started",
            ),
            ran: histogram(
                "tidemill_attempt_duration_seconds",
                "Time from the start of an attempt until its end was stored",
            ),
            ends: add(registry, IntCounterVec::new(ends, &["kind", "queue", "outcome"]).expect(SOUND)),
            pairs: RwLock::default(),
        }
    }

    pub(super) fn started(&self, kind: &str, queue: &str, waited: Duration) {
        self.pair(kind, queue).waited.observe(waited.as_secs_f64());
    }

    pub(super) fn ended(&self, kind: &str, queue: &str, outcome: AttemptOutcome, ran: Duration) {
        let pair = self.pair(kind, queue);
        pair.ran.observe(ran.as_secs_f64());
        let at = AttemptOutcome::ALL.iter().position(|(one, _)| *one == outcome);
        at.map(|at| &pair.ends[at]).inspect(|counter| counter.inc());
    }

    fn pair(&self, kind: &str, queue: &str) -> Arc<Pair> {
        let pairs = self.pairs.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(pair) = pairs.get(kind).and_then(|queues| queues.get(queue)) {
            return Arc::clone(pair);
        }
        drop(pairs);
        let mut pairs = self.pairs.write().unwrap_or_else(PoisonError::into_inner);
        let is_full = pairs.values().map(HashMap::len).sum::<usize>() >= PAIRS;
        let known = pairs.get(kind).is_some_and(|queues| queues.contains_key(queue));
        let (kind, queue) = if is_full && !known { (OTHER, OTHER) } else { (kind, queue) };
        let pair = pairs.entry(kind.to_owned()).or_default().entry(queue.to_owned());
        Arc::clone(pair.or_insert_with(|| Arc::new(self.new_pair(kind, queue))))
    }

    fn new_pair(&self, kind: &str, queue: &str) -> Pair {
        Pair {
            waited: self.waited.with_label_values(&[kind, queue]),
            ran: self.ran.with_label_values(&[kind, queue]),
            ends: AttemptOutcome::ALL.map(|(_, word)| self.ends.with_label_values(&[kind, queue, word])),
        }
    }
}

#[cfg(test)]
mod tests {
    use prometheus::TextEncoder;

    use super::*;

    fn text(registry: &Registry) -> String {
        TextEncoder::new().encode_to_string(&registry.gather()).unwrap()
    }

    #[test]
    fn a_kind_in_a_queue_has_every_outcome_once_it_was_seen() {
        let registry = Registry::new();
        let metrics = AttemptMetrics::new(&registry);
        metrics.started("k", "q", Duration::from_millis(20));
        metrics.ended("k", "q", AttemptOutcome::Retried, Duration::from_secs(2));
        let text = text(&registry);
        for line in [
            r#"tidemill_job_wait_seconds_bucket{kind="k",queue="q",le="0.025"} 1"#,
            r#"tidemill_attempt_duration_seconds_sum{kind="k",queue="q"} 2"#,
            r#"tidemill_attempts_total{kind="k",outcome="retried",queue="q"} 1"#,
            r#"tidemill_attempts_total{kind="k",outcome="failed",queue="q"} 0"#,
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
    }

    #[test]
    fn queues_that_are_made_up_without_end_share_series() {
        let registry = Registry::new();
        let metrics = AttemptMetrics::new(&registry);
        for number in 0..2 * PAIRS {
            metrics.ended("k", &format!("q{number}"), AttemptOutcome::Completed, Duration::ZERO);
        }
        metrics.ended("k", "q7", AttemptOutcome::Completed, Duration::ZERO);
        let text = text(&registry);
        let completed =
            |line: &&str| line.starts_with("tidemill_attempts_total") && line.contains("completed");
        assert_eq!(text.lines().filter(completed).count(), PAIRS + 1);
        let other =
            format!(r#"tidemill_attempts_total{{kind="_other",outcome="completed",queue="_other"}} {PAIRS}"#);
        assert!(text.contains(&other) && text.contains(r#"outcome="completed",queue="q7"} 2"#), "{text}");
    }
}
