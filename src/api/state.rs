//! What every route can reach. Cheap to clone; must never hold anything of a single request.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::auth::Gate;
use super::hub::Hub;
use super::running::RunningJobs;
use super::server::ApiSettings;
use crate::metrics::Metrics;
use crate::store::Store;
use crate::store::listen::Wakes;
use crate::store::notify::Notifier;

/// The parts that routes share.
#[derive(Clone)]
pub struct ApiState {
    /// The database.
    pub store: Store,
    /// Who watches which job.
    pub hub: Hub,
    /// Which jobs run, for streams that follow queues and kinds.
    pub running: RunningJobs,
    /// Where wake-ups are heard.
    pub wakes: Wakes,
    /// Where hints are said.
    pub notifier: Notifier,
    /// Asked now and then if the key behind a stream is still good.
    pub gate: Arc<Gate>,
    /// The counters.
    pub metrics: Arc<Metrics>,
    /// Limits and times.
    pub settings: Arc<ApiSettings>,
    /// Streams and long polls end when it is cancelled.
    pub shutdown: CancellationToken,
}
