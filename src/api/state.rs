//! The state that every route can reach. Cheap to clone; must never hold anything of a single
//! request.

use std::ops::Deref;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::events::feed::Feed;
use super::events::stream_limits::StreamPlaces;
use super::events::watchers::Watchers;
use super::jobs::args_rules::{ArgsRules, GivenArgs};
use super::jobs::batch_writer::Enqueuer;
use super::jobs::retry_after::RetryEstimates;
use super::routes::Routes;
use super::server::auth::access::Access;
use super::server::auth::gate::{Gate, GateRules};
use super::server::auth::stored_keys::StoredKeys;
use super::server::gauges::Gauges;
use super::server::problem::Problem;
use super::server::settings::ApiSettings;
use super::server::write_health::WriteHealth;
use crate::announce::Announcer;
use crate::metrics::Metrics;
use crate::store::Store;
use crate::store::db::listener::Wakes;
use crate::store::db::notifier::Notifier;
use crate::store::db::queue_listeners::QueueListener;

/// A condition of this process for `/readyz`: says why it is not ready, such as "the worker did not
/// claim for 12 s".
pub type Probe = Arc<dyn Fn() -> Result<(), String> + Send + Sync>;

/// The parts that routes share, as axum's `State` of every handler: the store, and what the API's own routes
/// stand on. Cheap to clone.
///
/// # Examples
///
/// ```
/// use axum::extract::State;
/// use tidemill::{ApiState, NewJob, Problem, enqueue_in};
///
/// /// A handler of a route that an extension adds.
/// async fn rebuild(State(state): State<ApiState>) -> Result<String, Problem> {
///     let job = NewJob::new("rebuild-index", Default::default());
///     let id = enqueue_in(state.store.pool(), &state.store, &job).await?;
///     Ok(id.to_string())
/// }
/// ```
#[derive(Clone)]
pub struct ApiState(Arc<ApiParts>);

/// The parts of an [`ApiState`]. Each layer of the router clones the state, so its clones share them.
#[derive(Clone)]
pub struct ApiParts {
    /// The database.
    pub store: Store,
    /// Writes single jobs, many at once.
    pub enqueuer: Enqueuer,
    /// The registry of watched jobs.
    pub watchers: Watchers,
    /// The feed of changes, for streams that follow queues, kinds or all jobs.
    pub feed: Feed,
    /// Estimates of free capacity of full queues.
    pub retry_estimates: RetryEstimates,
    /// The receiver of notifications.
    pub wakes: Wakes,
    /// Lets enqueues notify this process for the remote workers that wait here.
    pub(crate) queue_listener: Arc<QueueListener>,
    /// The notifier.
    pub notifier: Notifier,
    /// Announces the ends of attempts.
    pub(crate) announcer: Announcer,
    /// Checks at intervals whether the key of a stream is still valid.
    pub gate: Arc<Gate>,
    /// The counters.
    pub metrics: Arc<Metrics>,
    /// The levels that `/metrics` shows.
    pub gauges: Arc<Gauges>,
    /// The rules for args.
    pub args: Arc<ArgsRules>,
    /// The routes of extensions.
    pub routes: Arc<Routes>,
    /// The scopes of all routes.
    pub access: Access,
    /// The open streams.
    pub streams: Arc<StreamPlaces>,
    /// Whether writes are stored.
    pub writes: Arc<WriteHealth>,
    /// Limits and times.
    pub settings: Arc<ApiSettings>,
    /// Further readiness conditions of this process.
    pub readiness: Arc<[Probe]>,
    /// Streams and long polls end when it is cancelled.
    pub shutdown: CancellationToken,
}

/// The dependencies of the API.
pub struct ApiDeps {
    /// The database.
    pub store: Store,
    /// The listener of the process.
    pub wakes: Wakes,
    /// Its notifier.
    pub notifier: Notifier,
    /// Its metrics.
    pub metrics: Arc<Metrics>,
    /// Readiness conditions in addition to the database.
    pub readiness: Vec<Probe>,
    /// The routes of extensions.
    pub routes: Routes,
    /// Their rules for args, in addition to the size.
    pub args: ArgsRules,
    /// Cancelled when the API must end.
    pub shutdown: CancellationToken,
}

impl Deref for ApiState {
    type Target = ApiParts;

    fn deref(&self) -> &ApiParts {
        &self.0
    }
}

impl ApiState {
    /// Has the args of a kind checked before a job of it is stored, by whichever route.
    #[must_use]
    pub fn check_args(
        self,
        kind: impl Into<String>,
        check: impl Fn(GivenArgs<'_>) -> Result<(), Problem> + Send + Sync + 'static,
    ) -> Self {
        let mut parts = Arc::unwrap_or_clone(self.0);
        parts.args = Arc::new(Arc::unwrap_or_clone(parts.args).with(kind, check));
        Self(Arc::new(parts))
    }

    /// Starts the tasks that the routes need. With `open_without_keys` (on loopback only) every caller may
    /// do everything until an API key is created.
    #[must_use]
    pub fn start(deps: ApiDeps, settings: ApiSettings, open_without_keys: bool) -> Self {
        let ApiDeps { store, wakes, notifier, metrics, readiness, routes, args, shutdown } = deps;
        let access = Access::with(routes.rules());
        let announcer = Announcer::new(notifier.clone(), Arc::clone(&metrics));
        tokio::spawn(announcer.clone().resolve_dependents(store.clone(), shutdown.clone()));
        Self(Arc::new(ApiParts {
            announcer,
            queue_listener: Arc::new(QueueListener::new(format!("api-{}", Uuid::new_v4()))),
            enqueuer: Enqueuer::start(
                store.clone(),
                notifier.clone(),
                Arc::clone(&metrics),
                settings.strict_kinds,
            ),
            watchers: Watchers::start(store.clone(), wakes.clone(), shutdown.clone()),
            feed: Feed::new(store.clone()),
            retry_estimates: RetryEstimates::new(store.clone()),
            gate: Gate::guarded(
                StoredKeys(store.clone()),
                open_without_keys,
                GateRules {
                    access: access.clone(),
                    proxies: settings.trusted_proxies.clone(),
                    slowest: settings.slowest_refusal,
                    cookie: settings.cookie_rule(),
                    session_path: format!("{}/", settings.base_path),
                },
            ),
            gauges: Arc::default(),
            args: Arc::new(args.of_at_most(settings.max_args_bytes)),
            routes: Arc::new(routes),
            access,
            writes: Arc::default(),
            streams: StreamPlaces::new(settings.streams()),
            settings: Arc::new(settings),
            readiness: readiness.into(),
            store,
            wakes,
            notifier,
            metrics,
            shutdown,
        }))
    }
}
