//! Builds a worker from its parts, each with a good default. Starts nothing.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::attempts::run_limits::RunLimits;
use super::claims::queue_slots::WorkerQueues;
use super::contact::Contact;
use super::handler::{DynHandler, Erased, Handler};
use super::leases::Leases;
use super::liveness::Liveness;
use super::registry::Registry;
use super::run::Worker;
use super::settings::WorkerSettings;
use super::shared::Shared;
use super::worker_id::worker_id;
use crate::announce::Announcer;
use crate::job::settings::KindSettings;
use crate::metrics::Metrics;
use crate::store::Store;
use crate::store::db::listener::Wakes;
use crate::store::db::notifier::Notifier;
use crate::store::kinds::KindRow;

/// Assembles a [`Worker`].
///
/// # Examples
///
/// ```
/// use tidemill::{Handler, KindSettings, Store, Worker};
///
/// fn mailer(store: Store, send: impl Handler, report: impl Handler) -> Worker {
///     let persistent = KindSettings { max_attempts: 20, ..KindSettings::default() };
///     Worker::builder(store)
///         .handler_with(send, persistent)
///         .handler(report)
///         .queue("mail", 4)
///         .queue("default", 2)
///         .build()
/// }
/// ```
#[derive(Debug)]
pub struct WorkerBuilder {
    store: Store,
    settings: WorkerSettings,
    registry: Registry,
    notifier: Option<Notifier>,
    wakes: Option<Wakes>,
    metrics: Option<Arc<Metrics>>,
}

impl Worker {
    /// Starts to build a worker over a store.
    #[must_use]
    pub fn builder(store: Store) -> WorkerBuilder {
        WorkerBuilder::new(store)
    }
}

impl WorkerBuilder {
    pub(super) fn new(store: Store) -> Self {
        Self {
            store,
            settings: WorkerSettings::default(),
            registry: Registry::default(),
            notifier: None,
            wakes: None,
            metrics: None,
        }
    }

    /// Sets its options.
    #[must_use]
    pub fn settings(mut self, settings: WorkerSettings) -> Self {
        self.settings = settings;
        self
    }

    /// Runs at most `slots` jobs of a queue at once.
    #[must_use]
    pub fn queue(mut self, name: impl Into<String>, slots: usize) -> Self {
        let name = name.into();
        self.settings.queues.retain(|(known, _)| *known != name);
        self.settings.queues.push((name, slots));
        self
    }

    /// Serves a kind with a typed handler and the default rules.
    #[must_use]
    pub fn handler<H: Handler>(self, handler: H) -> Self {
        self.handler_with(handler, KindSettings::default())
    }

    /// Serves a kind with a typed handler and its own rules.
    #[must_use]
    pub fn handler_with<H: Handler>(self, handler: H, settings: KindSettings) -> Self {
        self.kind(H::KIND, "rust", settings, Erased(handler))
    }

    /// Serves a kind whose handler is only known at run time; `source` is `command`, `url` or `rust`.
    #[must_use]
    pub fn kind(
        mut self,
        name: impl Into<String>,
        source: &'static str,
        settings: KindSettings,
        handler: impl DynHandler,
    ) -> Self {
        let row = KindRow { name: name.into(), source, settings: Some(settings) };
        self.registry.add(row, Arc::new(handler));
        self
    }

    /// Shares the process's notifier instead of its own.
    #[must_use]
    pub fn notifier(mut self, notifier: Notifier) -> Self {
        self.notifier = Some(notifier);
        self
    }

    /// Shares the process's listener instead of its own.
    #[must_use]
    pub fn wakes(mut self, wakes: Wakes) -> Self {
        self.wakes = Some(wakes);
        self
    }

    /// Shares the metrics of the process instead of its own.
    #[must_use]
    pub fn metrics(mut self, metrics: Arc<Metrics>) -> Self {
        self.metrics = Some(metrics);
        self
    }

    /// The worker, ready to run.
    #[must_use]
    pub fn build(self) -> Worker {
        let Self { store, settings, registry, notifier, wakes, metrics } = self;
        let listener = CancellationToken::new();
        let own_listener = wakes.is_none().then(|| listener.clone().drop_guard());
        let wakes = wakes.unwrap_or_else(|| store.listen(listener));
        let own_notifier = notifier.is_none();
        let (notifier, metrics) = (notifier.unwrap_or_default(), metrics.unwrap_or_default());
        let (reports, report_receiver) = tokio::sync::mpsc::channel(4_096);
        let (endings, ending_receiver) = tokio::sync::mpsc::channel(8_192);
        let queues = WorkerQueues::new(&settings.queues);
        let shared = Shared {
            id: worker_id(&settings.name),
            leases: Leases::new(settings.lease_ttl),
            store: Arc::new(store),
            settings,
            registry,
            announcer: Announcer::new(notifier.clone(), Arc::clone(&metrics)),
            notifier,
            queues,
            queues_left_out: std::sync::atomic::AtomicUsize::new(0),
            reports,
            endings,
            liveness: Liveness::new(),
            contact: Arc::new(Contact::new()),
            metrics,
            freed: tokio::sync::Notify::new(),
            throttling: std::sync::atomic::AtomicBool::new(false),
            drain: CancellationToken::new(),
            run_limits: RunLimits::default(),
            leaving: tokio::sync::watch::Sender::default(),
        };
        Worker {
            shared: Arc::new(shared),
            wakes,
            own_listener,
            own_notifier,
            reports: report_receiver,
            endings: ending_receiver,
        }
    }
}
