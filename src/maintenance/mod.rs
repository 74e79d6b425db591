//! Maintenance: one task per file, each on its own timer, each safe in any number of processes at once. Needs
//! no leader, because every task is idempotent and the database decides what is due.

mod alerts;
mod artifacts;
mod deadlines;
mod due;
mod failure_causes;
mod foreign_rows;
mod operations;
mod partitions;
mod resolve;
mod scheduler;
mod stats;
mod sweep;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::announce::Announcer;
use crate::metrics::Metrics;
use crate::outbound::Channels;
use crate::store::Store;
use crate::store::db::listener::Wakes;
use crate::store::db::notifier::Notifier;

/// The intervals of the tasks.
#[derive(Debug, Clone)]
pub struct MaintenanceSettings {
    /// How often expired leases are taken back; at most a sixth of the shortest lease, so that an outage of
    /// the database is not mistaken for the death of a worker.
    pub sweep: Duration,
    /// Whether attempts of remote workers are ended at their hard timeout; if not, the next sweep does it.
    pub deadlines: bool,
    /// How long finished jobs are kept, unless their kind has a shorter retention.
    pub retention: Duration,
    /// How often alert rules are evaluated.
    pub alerts: Duration,
    /// The channels that deliver alerts. Without them, this process only evaluates, and others deliver.
    pub channels: Option<Arc<Channels>>,
}

impl Default for MaintenanceSettings {
    fn default() -> Self {
        Self {
            sweep: Duration::from_secs(5),
            deadlines: false,
            retention: Duration::from_hours(30 * 24),
            alerts: Duration::from_secs(15),
            channels: None,
        }
    }
}

/// Runs all tasks until the token is cancelled.
pub async fn run(
    store: Store,
    notifier: Notifier,
    metrics: Arc<Metrics>,
    wakes: Wakes,
    settings: MaintenanceSettings,
    stop: CancellationToken,
) {
    let announcer = Announcer::new(notifier, metrics);
    let watch = alerts::Watch::new(settings.channels.clone());
    let cluster = foreign_rows::Cluster::default();
    let (sender, due) = watch::channel(due::Due::default());
    let sweeper = sweep::Sweeper::new(&store, &announcer, settings.sweep, sender.clone());
    tokio::join!(
        every(settings.alerts, &stop, || watch.evaluate(&store)),
        every(settings.sweep, &stop, || sweeper.sweep()),
        every(Duration::from_mins(1), &stop, async || sweeper.tidy()),
        async {
            if settings.deadlines {
                deadlines::run(&store, &sweeper, due.clone(), &stop).await;
            }
        },
        due::run(&store, &wakes, sender, &stop),
        every(Duration::from_mins(10), &stop, || partitions::keep(&store, settings.retention)),
        every(Duration::from_secs(30), &stop, || failure_causes::count(&store)),
        every(Duration::from_mins(1), &stop, || cluster.check(&store)),
        every(Duration::from_mins(1), &stop, || artifacts::clear(&store)),
        every(Duration::from_secs(30), &stop, || stats::fold(&store)),
        operations::run(&store, &wakes, due.clone(), &stop),
        scheduler::run(&store, &wakes, due.clone(), &stop),
        resolve::run(&store, &wakes, due.clone(), &stop),
    );
}

/// Runs a task on a timer with jitter, so that many processes do not run it at the same instant.
async fn every<F: Future<Output = ()>>(
    period: Duration,
    stop: &CancellationToken,
    mut task: impl FnMut() -> F,
) {
    // Runs soon after the start, so that jobs of a crashed worker do not wait a whole period.
    let mut next = Instant::now() + Duration::from_millis(rand::random_range(200..1_000));
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep_until(next) => {}
        }
        task().await;
        next = Instant::now() + period.mul_f64(rand::random_range(0.8..1.2));
    }
}
