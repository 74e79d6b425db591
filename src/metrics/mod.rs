//! The counters of this process: every part of it adds to them, and Prometheus reads them. Imports
//! nothing else of this crate and must never ask the database; gauges are passed in at each scrape.

mod attempts;
mod register;

use std::collections::HashMap;
use std::time::Duration;

use prometheus::{
    GaugeVec, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, Opts, Registry, TextEncoder,
};

use attempts::AttemptMetrics;
pub use attempts::AttemptOutcome;
use register::{SOUND, add};

/// The media type of [`Metrics::text`].
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

const SECONDS: &[f64] =
    &[0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];
const ROWS: &[f64] =
    &[1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0, 5000.0, 10_000.0];

/// The counters of this process. All start at zero with the process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    http_requests: IntCounterVec,
    http_duration: HistogramVec,
    batch_rows: HistogramVec,
    batch_duration: HistogramVec,
    /// Open event streams.
    pub streams_open: IntGauge,
    /// 1 while progress is stored less often because dead rows pile up.
    pub throttling: IntGauge,
    attempts: AttemptMetrics,
    /// Events written to streams.
    pub stream_events: IntCounter,
    /// Jobs enqueued over HTTP.
    pub jobs_enqueued: IntCounter,
    /// Attempts started.
    pub jobs_claimed: IntCounter,
    /// Jobs that completed.
    pub jobs_completed: IntCounter,
    /// Jobs that failed and are not retried.
    pub jobs_failed: IntCounter,
    /// Failed attempts after which the job will be tried again.
    pub jobs_retried: IntCounter,
    /// Attempts whose job was cancelled.
    pub jobs_cancelled: IntCounter,
    /// Attempts that put their job off, wait, or handed it back.
    pub jobs_snoozed: IntCounter,
    /// Attempts whose lease was lost.
    pub leases_lost: IntCounter,
}

impl Metrics {
    /// Counters at zero, with a registry of their own.
    ///
    /// # Panics
    /// Never: the names are constants, well formed and each used once.
    #[must_use]
    pub fn new() -> Self {
        let registry = Registry::new();
        let counter = |name, help| add(&registry, IntCounter::new(name, help).expect(SOUND));
        let histogram = |name: &str, help: &str, label: &str, buckets: &[f64]| {
            let options = HistogramOpts::new(name, help).buckets(buckets.to_vec());
            add(&registry, HistogramVec::new(options, &[label]).expect(SOUND))
        };
        let http_requests = Opts::new("tidemill_http_requests_total", "Requests answered");
        let http_requests = IntCounterVec::new(http_requests, &["method", "route", "status"]).expect(SOUND);
        let streams_open = IntGauge::new("tidemill_streams_open", "Open event streams").expect(SOUND);
        let throttling = "1 while progress is stored less often because dead rows pile up in the database";
        let throttling = IntGauge::new("tidemill_shedding", throttling).expect(SOUND);
        Self {
            throttling: add(&registry, throttling),
            http_requests: add(&registry, http_requests),
            http_duration: histogram(
                "tidemill_http_request_duration_seconds",
                "Time until the answer started",
                "route",
                SECONDS,
            ),
            batch_rows: histogram("tidemill_batch_rows", "Rows of one write or claim", "writer", ROWS),
            batch_duration: histogram(
                "tidemill_batch_duration_seconds",
                "Duration of one write or claim",
                "writer",
                SECONDS,
            ),
            attempts: AttemptMetrics::new(&registry),
            streams_open: add(&registry, streams_open),
            stream_events: counter("tidemill_stream_events_total", "Events written to streams"),
            jobs_enqueued: counter("tidemill_jobs_enqueued_total", "Jobs enqueued over HTTP"),
            jobs_claimed: counter("tidemill_jobs_claimed_total", "Attempts started"),
            jobs_completed: counter("tidemill_jobs_completed_total", "Jobs that completed"),
            jobs_failed: counter("tidemill_jobs_failed_total", "Jobs that failed and are not retried"),
            jobs_retried: counter("tidemill_jobs_retried_total", "Failed attempts that are retried"),
            jobs_cancelled: counter("tidemill_jobs_cancelled_total", "Attempts whose job was cancelled"),
            jobs_snoozed: counter(
                "tidemill_jobs_snoozed_total",
                "Attempts that put their job off, wait, or handed it back",
            ),
            leases_lost: counter("tidemill_leases_lost_total", "Attempts whose lease was lost"),
            registry,
        }
    }

    /// Counts a request; `route` is the router's path, never the caller's.
    pub fn answered(&self, method: &str, route: &str, status: u16, duration: Duration) {
        self.http_requests.with_label_values(&[method, route, &status.to_string()]).inc();
        self.http_duration.with_label_values(&[route]).observe(duration.as_secs_f64());
    }

    /// Records one batch of a writer: `claim`, `complete`, `progress`, `heartbeat` or `enqueue`.
    #[expect(clippy::cast_precision_loss, reason = "batches are far below 2^52 rows")]
    pub fn batch(&self, writer: &str, rows: usize, duration: Duration) {
        self.batch_rows.with_label_values(&[writer]).observe(rows as f64);
        self.batch_duration.with_label_values(&[writer]).observe(duration.as_secs_f64());
    }

    /// Counts an attempt that started, of a job that was due for so long.
    pub fn started(&self, kind: &str, queue: &str, waited: Duration) {
        self.jobs_claimed.inc();
        self.attempts.started(kind, queue, waited);
    }

    /// Counts an attempt that ended.
    pub fn ended(&self, kind: &str, queue: &str, outcome: AttemptOutcome, ran: Duration) {
        let total = match outcome {
            AttemptOutcome::Completed => &self.jobs_completed,
            AttemptOutcome::Failed => &self.jobs_failed,
            AttemptOutcome::Retried => &self.jobs_retried,
            AttemptOutcome::Cancelled => &self.jobs_cancelled,
            AttemptOutcome::Snoozed | AttemptOutcome::Released | AttemptOutcome::Waits => &self.jobs_snoozed,
        };
        total.inc();
        self.attempts.ended(kind, queue, outcome, ran);
    }

    /// Everything in Prometheus' text format; `fill` adds the gauges that are measured now.
    #[must_use]
    pub fn text(&self, fill: impl FnOnce(&mut Levels)) -> String {
        let mut levels = Levels { registry: Registry::new(), families: HashMap::new() };
        fill(&mut levels);
        let mut families = self.registry.gather();
        families.extend(levels.registry.gather());
        TextEncoder::new().encode_to_string(&families).unwrap_or_default()
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

/// Gauges of one scrape: a gauge that is not set is not shown, so that a removed queue leaves no value.
#[derive(Debug)]
pub struct Levels {
    registry: Registry,
    families: HashMap<&'static str, GaugeVec>,
}

impl Levels {
    /// Sets a gauge; the labels of one name must always be the same.
    ///
    /// # Panics
    /// If `name` is not a valid metric name, or its labels differ from the first time.
    pub fn set(&mut self, name: &'static str, help: &str, labels: &[(&str, &str)], value: f64) {
        let family = self.families.entry(name).or_insert_with(|| {
            let names: Vec<_> = labels.iter().map(|(name, _)| *name).collect();
            add(&self.registry, GaugeVec::new(Opts::new(name, help), &names).expect(SOUND))
        });
        let values: Vec<_> = labels.iter().map(|(_, value)| *value).collect();
        family.with_label_values(&values).set(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_has_every_family_with_its_unit() {
        let metrics = Metrics::new();
        metrics.answered("GET", "/api/v1/jobs/{id}", 200, Duration::from_millis(3));
        metrics.batch("claim", 100, Duration::from_millis(2));
        metrics.jobs_completed.inc_by(7);
        metrics.streams_open.inc();
        let text = metrics.text(|levels| {
            levels.set("tidemill_queue_available_jobs", "Jobs that may run now", &[("queue", "a\"b")], 3.0);
            levels.set("tidemill_queue_available_jobs", "Jobs that may run now", &[("queue", "c")], 4.0);
        });
        for line in [
            r#"tidemill_http_requests_total{method="GET",route="/api/v1/jobs/{id}",status="200"} 1"#,
            r#"tidemill_http_request_duration_seconds_bucket{route="/api/v1/jobs/{id}",le="0.005"} 1"#,
            r#"tidemill_batch_rows_sum{writer="claim"} 100"#,
            r#"tidemill_queue_available_jobs{queue="a\"b"} 3"#,
            "tidemill_jobs_completed_total 7",
            "tidemill_streams_open 1",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
        assert!(!metrics.text(|_| {}).contains("available_jobs"));
    }

    #[test]
    fn two_sets_of_metrics_do_not_meet() {
        let (first, second) = (Metrics::new(), Metrics::new());
        first.jobs_enqueued.inc();
        assert_eq!(second.jobs_enqueued.get(), 0);
    }
}
