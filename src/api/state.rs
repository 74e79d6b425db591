//! The state that every route can reach. Cheap to clone; must never hold anything of a single
//! request.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::events::feed::Feed;
use super::events::stream_limits::StreamPlaces;
use super::events::watchers::Hub;
use super::jobs::args_rules::{ArgsRules, GivenArgs};
use super::jobs::batch_writer::Enqueuer;
use super::jobs::retry_after::RoomEstimates;
use super::seeds;
use super::server::auth::Gate;
use super::server::gauges::Gauges;
use super::server::problem::Problem;
use super::server::settings::ApiSettings;
use super::server::stored_keys::StoredKeys;
use super::server::write_health::WriteHealth;
use crate::metrics::Metrics;
use crate::store::Store;
use crate::store::db::listener::Wakes;
use crate::store::db::notifier::Notifier;

/// A condition of this process for `/readyz`: says why it is not ready, such as "the worker did not
/// claim for 12 s".
pub type Probe = Arc<dyn Fn() -> Result<(), String> + Send + Sync>;

/// The parts that routes share.
#[derive(Clone)]
pub struct ApiState {
    /// The database.
    pub store: Store,
    /// Writes single jobs, many at once.
    pub enqueuer: Enqueuer,
    /// Who watches which job.
    pub hub: Hub,
    /// What commits, for streams that follow queues, kinds or all jobs.
    pub feed: Feed,
    /// When full queues may have room.
    pub room: RoomEstimates,
    /// Where wake-ups are heard.
    pub wakes: Wakes,
    /// Where hints are said.
    pub notifier: Notifier,
    /// Asked now and then if the key behind a stream is still good.
    pub gate: Arc<Gate>,
    /// The counters.
    pub metrics: Arc<Metrics>,
    /// The levels that `/metrics` shows.
    pub gauges: Arc<Gauges>,
    /// What args are taken in.
    pub args: Arc<ArgsRules>,
    /// Which streams are open.
    pub streams: Arc<StreamPlaces>,
    /// Whether what is written is stored.
    pub writes: Arc<WriteHealth>,
    /// Limits and times.
    pub settings: Arc<ApiSettings>,
    /// What else must hold for this process to be ready.
    pub readiness: Arc<[Probe]>,
    /// Streams and long polls end when it is cancelled.
    pub shutdown: CancellationToken,
}

/// What the API is given by its process.
pub struct Surroundings {
    /// The database.
    pub store: Store,
    /// The process's one ear.
    pub wakes: Wakes,
    /// Its one voice.
    pub notifier: Notifier,
    /// Its counters.
    pub metrics: Arc<Metrics>,
    /// What must hold for it to be ready, beside the database.
    pub readiness: Vec<Probe>,
    /// Cancelled when the API shall end.
    pub shutdown: CancellationToken,
}

impl ApiState {
    /// Has the args of a kind checked before a job of it is stored, by whichever route.
    #[must_use]
    pub fn check_args(
        mut self,
        kind: impl Into<String>,
        check: impl Fn(GivenArgs<'_>) -> Result<(), Problem> + Send + Sync + 'static,
    ) -> Self {
        self.args = Arc::new(Arc::unwrap_or_clone(self.args).with(kind, check));
        self
    }

    /// Starts what the routes need. With `open_without_keys` (on loopback only) everybody may do
    /// everything as long as no API key was made.
    #[must_use]
    pub fn start(around: Surroundings, settings: ApiSettings, open_without_keys: bool) -> Self {
        let Surroundings { store, wakes, notifier, metrics, readiness, shutdown } = around;
        Self {
            enqueuer: Enqueuer::start(
                store.clone(),
                notifier.clone(),
                Arc::clone(&metrics),
                settings.strict_kinds,
            ),
            hub: Hub::start(store.clone(), wakes.clone(), shutdown.clone()),
            feed: Feed::new(store.clone()),
            room: RoomEstimates::new(store.clone()),
            gate: Gate::guarded(
                StoredKeys(store.clone()),
                open_without_keys,
                settings.trusted_proxies.clone(),
                settings.slowest_refusal,
            ),
            gauges: Arc::default(),
            args: Arc::new(seeds::args_rules(&settings)),
            writes: Arc::default(),
            streams: StreamPlaces::new(settings.streams()),
            settings: Arc::new(settings),
            readiness: readiness.into(),
            store,
            wakes,
            notifier,
            metrics,
            shutdown,
        }
    }
}
