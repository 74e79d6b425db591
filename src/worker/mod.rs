//! Runs jobs: one claimer per process takes due jobs, runners run them in slots, and one reporter
//! and one completer write the outcomes. Reaches the rest of Tidemill only through Postgres.

mod builder;
mod claimer;
mod complete_with;
mod completer;
mod contact;
pub mod context;
mod executor;
mod follow;
pub mod handler;
mod heartbeat;
mod leases;
pub mod leaving;
mod liveness;
mod max_runs;
mod progress_throttle;
mod queue_cursor;
mod queue_slots;
mod registry;
mod reporter;
mod resolve_dependents;
mod retry;
mod rules;
mod run_one;
pub mod testing;
mod usage;
mod worker_id;

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};

pub use self::liveness::Pulse;
use self::max_runs::Wear;
use self::queue_slots::Lanes;
use crate::metrics::Metrics;
use crate::store::db::listener::Wakes;
use crate::store::db::notifier::Notifier;
use crate::store::{Result, Store};
pub use builder::WorkerBuilder;
use claimer::Claimer;
use context::Report;
use leases::Leases;
use leaving::{Leaving, Signals};
use registry::Registry;
use retry::until_answered;

/// The options of a worker.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use tidemill::WorkerSettings;
///
/// let settings = WorkerSettings {
///     name: "mailer".into(),
///     queues: vec![("mail".into(), 4), ("default".into(), 1)],
///     shutdown_timeout: Duration::from_mins(2),
///     max_runs: Some(10_000),
///     ..WorkerSettings::default()
/// };
/// ```
#[derive(Debug, Clone)]
pub struct WorkerSettings {
    /// Its name for people; the machine's name if empty.
    pub name: String,
    /// The number of jobs of each queue that it runs at once.
    pub queues: Vec<(String, usize)>,
    /// The same for every other queue, discovered as jobs arrive; 0 leaves those to other workers.
    pub other_queue_slots: usize,
    /// How long its leases last without a heartbeat.
    pub lease_ttl: Duration,
    /// How often it renews them.
    pub heartbeat: Duration,
    /// How often it polls for work without a notification.
    pub poll: Duration,
    /// How long running jobs may take to finish at shutdown before they are handed back.
    pub shutdown_timeout: Duration,
    /// How processes left by commands are ended, for people to read.
    pub containment: Option<String>,
    /// The number of attempts after which it claims no more jobs and ends when the running ones have
    /// finished.
    pub max_runs: Option<u64>,
    /// The same for the memory of its process.
    pub max_memory_bytes: Option<u64>,
}

impl WorkerSettings {
    /// The time without a sign of life of its process after which its attempts must end: a little less than
    /// the rest of a lease that was renewed just before the last heartbeat.
    fn longest_silence(&self) -> Duration {
        let left = (self.lease_ttl * 9 / 10).saturating_sub(self.heartbeat * 5 / 4);
        left.clamp(self.lease_ttl / 4, self.lease_ttl * 4 / 5)
    }
}

impl Default for WorkerSettings {
    fn default() -> Self {
        Self {
            name: String::new(),
            queues: vec![("default".into(), 10)],
            other_queue_slots: 0,
            lease_ttl: Duration::from_secs(30),
            heartbeat: Duration::from_secs(5),
            poll: Duration::from_secs(1),
            shutdown_timeout: Duration::from_secs(30),
            containment: None,
            max_runs: None,
            max_memory_bytes: None,
        }
    }
}

/// The shutdown requests to a worker: first graceful, then immediate.
///
/// # Examples
///
/// ```no_run
/// # async fn example(worker: tidemill::Worker) -> Result<(), tidemill::Error> {
/// let shutdown = tidemill::Shutdown::default();
/// let asked = shutdown.clone();
/// tokio::spawn(async move {
///     // The first Ctrl-C lets running jobs finish, the second hands them back.
///     let _ = tokio::signal::ctrl_c().await;
///     asked.graceful.cancel();
///     let _ = tokio::signal::ctrl_c().await;
///     asked.immediate.cancel();
/// });
/// worker.run(shutdown).await
/// # }
/// ```
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    /// Claim no more, let running jobs finish within the timeout, hand the rest back.
    pub graceful: CancellationToken,
    /// Hand all jobs back at once.
    pub immediate: CancellationToken,
    signals: Signals,
}

impl Shutdown {
    /// Names a signal that asks for the end, by its number; to be called before `graceful` is cancelled. What stops a
    /// service may send the signal to the worker's commands as well: a command that has a handler for it, and ends within
    /// its `stop_grace` without a result, is then handed back. Without a name, handlers for SIGTERM, SIGHUP and SIGQUIT
    /// count; one for SIGINT does not, because shells and Python have it by default.
    pub fn by_signal(&self, number: i32) {
        self.signals.add(number);
    }

    /// How long the last outcomes of a worker may take to be stored.
    fn patience(&self) -> Duration {
        if self.immediate.is_cancelled() { Duration::from_secs(2) } else { Duration::from_secs(10) }
    }

    /// Waits until an immediate end was requested and that time has passed.
    async fn overdue(&self, patience: Duration) {
        self.immediate.cancelled().await;
        tokio::time::sleep(patience).await;
    }
}

/// Claims and runs jobs until it is asked to stop.
///
/// # Examples
///
/// ```
/// use tidemill::{Error, Handler, Shutdown, Store, Worker};
///
/// async fn serve(store: Store, handler: impl Handler) -> Result<(), Error> {
///     let worker = Worker::builder(store).handler(handler).build();
///     println!("{} serves {:?}", worker.id(), worker.kinds());
///     worker.run(Shutdown::default()).await
/// }
/// ```
#[derive(Debug)]
pub struct Worker {
    shared: Arc<Shared>,
    wakes: Wakes,
    /// Ends the listening that was started for this worker alone.
    own_ear: Option<DropGuard>,
    own_notifier: bool,
    reports: tokio::sync::mpsc::Receiver<Report>,
    endings: tokio::sync::mpsc::Receiver<completer::Ending>,
}

/// The state that all parts of a worker share.
#[derive(Debug)]
struct Shared {
    id: String,
    store: Arc<Store>,
    settings: WorkerSettings,
    registry: Registry,
    notifier: Notifier,
    leases: Leases,
    lanes: Lanes,
    /// The number of further queues with due jobs at the last poll.
    left_out: std::sync::atomic::AtomicUsize,
    reports: tokio::sync::mpsc::Sender<Report>,
    endings: tokio::sync::mpsc::Sender<completer::Ending>,
    pulse: Pulse,
    contact: Arc<contact::Contact>,
    metrics: Arc<Metrics>,
    /// A slot or buffer place of a queue became free.
    freed: tokio::sync::Notify,
    /// Dead rows pile up in the database: progress is stored less often.
    shedding: std::sync::atomic::AtomicBool,
    /// A job completed that other jobs wait for.
    awaited: tokio::sync::Notify,
    /// The worker was asked to claim no more jobs.
    drain: CancellationToken,
    wear: Wear,
    /// The request to end, if there is one.
    leaving: tokio::sync::watch::Sender<Option<Leaving>>,
}

impl Worker {
    /// Starts to build a worker over a store.
    #[must_use]
    pub fn builder(store: Store) -> WorkerBuilder {
        WorkerBuilder::new(store)
    }

    /// Its id, as in `workers.id`.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.shared.id
    }

    /// The kinds that it serves.
    #[must_use]
    pub fn kinds(&self) -> Vec<String> {
        self.shared.registry.kinds()
    }

    /// Whether it is alive, for readiness checks.
    #[must_use]
    pub fn pulse(&self) -> Pulse {
        self.shared.pulse.clone()
    }

    /// Its metrics.
    #[must_use]
    pub fn metrics(&self) -> Arc<Metrics> {
        self.shared.metrics.clone()
    }

    /// Runs until `shutdown` is cancelled, or the worker has reached a limit, and the last attempt has
    /// ended or was handed back.
    ///
    /// # Errors
    /// When the database refuses the worker at the start; it waits for an unreachable database.
    pub async fn run(self, shutdown: Shutdown) -> Result<()> {
        let Self { shared, wakes, own_ear: _own_ear, own_notifier, reports, endings } = self;
        tokio::select! {
            met = until_answered(&shared.contact, "introduce", || meet(&shared)) => met?,
            () = shutdown.graceful.cancelled() => return Ok(()),
        }
        let stop_helpers = CancellationToken::new();
        let notifier = own_notifier.then(|| {
            tokio::spawn(shared.notifier.clone().run((*shared.store).clone(), stop_helpers.clone()))
        });
        let mut writers = tokio::task::JoinSet::new();
        writers.spawn(reporter::run(shared.clone(), reports));
        writers.spawn(completer::run(shared.clone(), endings));
        let dependents = tokio::spawn(resolve_dependents::run(shared.clone(), stop_helpers.clone()));
        let heart = tokio::spawn(heartbeat::run(shared.clone(), wakes.clone(), stop_helpers.clone()));
        let watched = tokio::spawn(max_runs::watch_memory(shared.clone(), stop_helpers.clone()));
        tokio::spawn(leave(shared.clone(), shutdown.clone(), stop_helpers.clone()));
        tracing::info!(worker = shared.id, kinds = ?shared.registry.kinds(), "claiming");
        shared.name_idleness();

        tokio::select! {
            () = Claimer::new(shared.clone(), &wakes).run(&shutdown.graceful) => {}
            () = shutdown.overdue(Duration::from_secs(1)) => {}
            // Without this task no attempt can end, however long its lease is kept.
            Some(_) = writers.join_next() => tracing::error!(
                "a writer task failed; unstored jobs run again when their leases expire"
            ),
        }
        max_runs::finish(&shared, &shutdown).await;
        wind_down(&shared, &shutdown).await;

        // No attempt is left: the writers finish their queues. If Postgres does not answer, waiting does
        // not help: leases expire.
        let farewell = async {
            shared.close().await;
            while writers.join_next().await.is_some() {}
        };
        if timeout(shutdown.patience(), farewell).await.is_err() {
            tracing::warn!(
                "Postgres did not answer; jobs with unstored outcomes run again when their leases expire"
            );
        }
        stop_helpers.cancel();
        let _ = tokio::join!(heart, dependents, watched);
        let goodbye = async {
            let _ = heartbeat::hand_back(&shared).await;
            // After the last heartbeat, which would overwrite the state.
            let _ = shared.store.worker_stopped(&shared.id).await;
            if let Some(notifier) = notifier {
                let _ = notifier.await;
            }
        };
        let _ = timeout(shutdown.patience(), goodbye).await;
        Ok(())
    }
}

/// Informs attempts that the worker was asked to end.
async fn leave(shared: Arc<Shared>, shutdown: Shutdown, stop: CancellationToken) {
    tokio::select! {
        () = shutdown.graceful.cancelled() => {}
        () = stop.cancelled() => return,
    }
    let leaving = Leaving { since: Instant::now(), signals: shutdown.signals.clone() };
    shared.leaving.send_replace(Some(leaving));
}

/// Registers the served kinds and this worker.
async fn meet(shared: &Shared) -> Result<()> {
    for kind in shared.registry.rows() {
        shared.store.see_kind(&kind).await?;
    }
    heartbeat::introduce(shared, "running").await?;
    Ok(())
}

/// Lets running attempts finish, asks them to stop, ends them: each step only as long as allowed.
async fn wind_down(shared: &Arc<Shared>, shutdown: &Shutdown) {
    for lane in shared.lanes.all() {
        lane.hand_back(shared).await;
    }
    if shared.leases.is_empty() {
        return;
    }
    tracing::info!(
        running = shared.leases.len(),
        "waiting for running jobs to finish; signal again to stop at once"
    );
    tokio::select! {
        () = shared.leases.empty() => return,
        () = tokio::time::sleep(shared.settings.shutdown_timeout) => {}
        () = shutdown.immediate.cancelled() => {}
    }
    shared.leases.stop_all(crate::job::attempt::StopReason::Shutdown);
    tokio::select! {
        () = shared.leases.empty() => return,
        // Each attempt ends after the grace period of its kind; this covers an attempt that does not.
        () = tokio::time::sleep(shared.registry.longest_stop_grace() + Duration::from_secs(1)) => {}
        () = shutdown.overdue(Duration::from_millis(500)) => {}
    }
    shared.leases.kill_all();
    // The completer hands back dropped handlers; if Postgres does not answer, their leases expire.
    let _ = timeout(Duration::from_secs(5), shared.leases.empty()).await;
}

impl Shared {
    /// Logs why the worker will never claim, if that is certain.
    fn name_idleness(&self) {
        let settings = &self.settings;
        if self.registry.kinds().is_empty() {
            tracing::warn!(
                "this worker serves no kind, so it runs nothing: name kinds in its config ([kinds.NAME], or \
                 the section of an extension), or check that it reads the intended config"
            );
        } else if settings.other_queue_slots == 0 && settings.queues.iter().all(|(_, slots)| *slots == 0) {
            tracing::warn!(
                "this worker serves no queue, so it runs nothing: give a queue slots ([queues.NAME] slots, worker.slots \
                 or --queue NAME=SLOTS)"
            );
        }
    }

    async fn close(&self) {
        let _ = self.endings.send(completer::Ending::Close).await;
        let _ = self.reports.send(Report::close()).await;
    }
}
