//! The state that all parts of a worker share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize};

use tokio::sync::{Notify, mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::attempts::ending::Ending;
use super::attempts::run_limits::RunLimits;
use super::claims::queue_slots::WorkerQueues;
use super::contact::Contact;
use super::context::Report;
use super::leases::Leases;
use super::leaving::Leaving;
use super::liveness::Liveness;
use super::registry::Registry;
use super::settings::WorkerSettings;
use crate::announce::Announcer;
use crate::metrics::Metrics;
use crate::store::Store;
use crate::store::db::notifier::Notifier;

/// The state that all parts of a worker share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) id: String,
    pub(super) store: Arc<Store>,
    pub(super) settings: WorkerSettings,
    pub(super) registry: Registry,
    pub(super) notifier: Notifier,
    pub(super) announcer: Announcer,
    pub(super) leases: Leases,
    pub(super) queues: WorkerQueues,
    /// The number of further queues with due jobs at the last poll.
    pub(super) queues_left_out: AtomicUsize,
    pub(super) reports: mpsc::Sender<Report>,
    pub(super) endings: mpsc::Sender<Ending>,
    pub(super) liveness: Liveness,
    pub(super) contact: Arc<Contact>,
    pub(super) metrics: Arc<Metrics>,
    /// A slot or buffer place of a queue became free.
    pub(super) freed: Notify,
    /// Dead rows pile up in the database: progress is stored less often.
    pub(super) throttling: AtomicBool,
    /// The worker was asked to claim no more jobs.
    pub(super) drain: CancellationToken,
    pub(super) run_limits: RunLimits,
    /// Since when and why it is to end, if it is.
    pub(super) leaving: watch::Sender<Option<Leaving>>,
}

impl Shared {
    /// Logs why the worker will never claim, if that is certain.
    pub(super) fn name_idleness(&self) {
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

    /// Sends the last messages to the writers.
    pub(super) async fn close(&self) {
        let _ = self.endings.send(Ending::Close).await;
        let _ = self.reports.send(Report::close()).await;
    }
}
