//! One worker from its start to its end: starts its parts, and at a shutdown lets attempts finish and
//! outcomes be stored. Must never end while an attempt of it runs.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::attempts::ending::Ending;
use super::attempts::{completer, reporter};
use super::claims::claimer::Claimer;
use super::claims::queue_runner;
use super::context::Report;
use super::leaving::Leaving;
use super::liveness::Liveness;
use super::retry::until_answered;
use super::shared::Shared;
use super::shutdown::Shutdown;
use super::{heartbeat, max_runs, registration};
use crate::job::attempt::StopReason;
use crate::metrics::Metrics;
use crate::store::Result;
use crate::store::db::listener::Wakes;

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
    pub(super) shared: Arc<Shared>,
    pub(super) wakes: Wakes,
    /// Ends the listening that was started for this worker alone.
    pub(super) own_listener: Option<DropGuard>,
    pub(super) own_notifier: bool,
    pub(super) reports: mpsc::Receiver<Report>,
    pub(super) endings: mpsc::Receiver<Ending>,
}

impl Worker {
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
    pub fn liveness(&self) -> Liveness {
        self.shared.liveness.clone()
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
        let Self { shared, wakes, own_listener: _own_listener, own_notifier, reports, endings } = self;
        tokio::select! {
            met = until_answered(&shared.contact, "introduce", || meet(&shared)) => met?,
            () = shutdown.graceful.cancelled() => return Ok(()),
        }
        let stop_helpers = CancellationToken::new();
        let notifier = own_notifier.then(|| {
            tokio::spawn(shared.notifier.clone().run((*shared.store).clone(), stop_helpers.clone()))
        });
        let mut writers = JoinSet::new();
        writers.spawn(reporter::run(shared.clone(), reports));
        writers.spawn(completer::run(shared.clone(), endings));
        let dependents =
            shared.announcer.clone().resolve_dependents((*shared.store).clone(), stop_helpers.clone());
        let dependents = tokio::spawn(dependents);
        let heart = tokio::spawn(heartbeat::run(shared.clone(), wakes.clone(), stop_helpers.clone()));
        let registration = tokio::spawn(registration::run(shared.clone(), stop_helpers.clone()));
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
        if timeout(shutdown.store_timeout(), farewell).await.is_err() {
            tracing::warn!(
                "Postgres did not answer; jobs with unstored outcomes run again when their leases expire"
            );
        }
        stop_helpers.cancel();
        let _ = tokio::join!(heart, registration, dependents, watched);
        let goodbye = async {
            let _ = heartbeat::hand_back(&shared).await;
            let _ = registration::tidy(&shared).await;
            // After the last heartbeat, which would overwrite the state.
            let _ = shared.store.worker_stopped(&shared.id).await;
            if let Some(notifier) = notifier {
                let _ = notifier.await;
            }
        };
        let _ = timeout(shutdown.store_timeout(), goodbye).await;
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
pub(super) async fn meet(shared: &Shared) -> Result<()> {
    for kind in shared.registry.rows() {
        shared.store.see_kind(&kind).await?;
    }
    heartbeat::introduce(shared, "running").await?;
    Ok(())
}

/// Lets running attempts finish, asks them to stop, ends them: each step only as long as allowed.
async fn wind_down(shared: &Arc<Shared>, shutdown: &Shutdown) {
    for queue_slots in shared.queues.all() {
        queue_runner::hand_back(&queue_slots, shared).await;
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
    shared.leases.stop_all(StopReason::Shutdown);
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
