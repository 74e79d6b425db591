//! The HTTP role of a process: starts the server that the config describes, and stops it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::otlp;
use super::wait_for_database::once_it_answers;
use super::{Process, failed};
use crate::cli::common::error::CliError;
use crate::config::Config;
use tidemill::api::jobs::args_rules::ArgsRules;
use tidemill::api::router;
use tidemill::api::routes::Routes as OwnRoutes;
use tidemill::api::server::listener::{Listener, PeerLimits};
use tidemill::api::server::settings::{ApiSettings, ShownSetting};
use tidemill::api::state::{ApiDeps, ApiState, Probe};
use tidemill::worker::Liveness;
use tidemill_settings::effective::Effective;
use tidemill_settings::network::network;

/// A server that answers until it is stopped.
#[derive(Debug)]
pub(crate) struct Serving {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Serving {
    /// Ends streams, lets requests finish within a deadline, and closes the socket.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        let _ = self.task.await;
    }
}

/// Which routes a server has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Routes {
    /// The API, the page, and the health of the process.
    All,
    /// Only the health of the process: for workers.
    Health,
}

/// Listens and serves; answers the address with the real port.
pub(crate) async fn serve(
    process: &Process,
    config: &Config,
    listen: SocketAddr,
    routes: Routes,
    readiness: Vec<Probe>,
) -> Result<(SocketAddr, Serving), CliError> {
    let any_key = once_it_answers(|| process.store.any_api_key()).await?;
    let listener = Listener::bind(&listen.to_string(), any_key).await.map_err(failed)?;
    let address = listener.address();
    let settings = settings(config, listen);
    let stop = CancellationToken::new();
    let extensions = &config.extensions;
    let deps = ApiDeps {
        store: process.store.clone(),
        wakes: process.wakes.clone(),
        notifier: process.notifier.clone(),
        metrics: process.metrics.clone(),
        readiness,
        routes: extensions.iter().map(|one| one.routes()).fold(OwnRoutes::none(), OwnRoutes::and),
        args: extensions.iter().fold(ArgsRules::default(), |rules, one| one.args_rules(rules)),
        shutdown: stop.clone(),
    };
    let limits = PeerLimits {
        connections: settings.max_connections,
        proxies: settings.trusted_proxies.clone(),
        ..PeerLimits::default()
    };
    let state = ApiState::start(deps, settings, listener.is_loopback());
    let app = match routes {
        Routes::All => router::router(&state, address),
        Routes::Health => router::health_router(&state, address),
    };
    let app = app.map_err(failed)?;
    let app = match &process.spans {
        Some(spans) => otlp::watch(spans, app),
        None => app,
    };
    let task = tokio::spawn(listener.serve(app, limits, stop.clone()));
    Ok((address, Serving { stop, task }))
}

/// Ready only while the worker of this process is answered when it asks for work.
pub(crate) fn claims(liveness: Liveness, config: &Config) -> Probe {
    let limit = config.worker.poll * 5 + Duration::from_secs(10);
    Arc::new(move || {
        let age = liveness.age();
        if age <= limit {
            return Ok(());
        }
        Err(format!("the worker of this process has not been able to claim for {} s", age.as_secs()))
    })
}

/// The settings of the process as admins may see them.
fn shown(config: &Config) -> Vec<ShownSetting> {
    let one = |setting: &Effective| ShownSetting {
        key: setting.key.clone(),
        value: setting.value.clone(),
        source: setting.source.clone(),
    };
    config.effective.iter().map(one).collect()
}

fn settings(config: &Config, listen: SocketAddr) -> ApiSettings {
    let api = &config.api;
    ApiSettings {
        listen: listen.to_string(),
        shown: shown(config),
        hosts: api.hosts.iter().map(|host| host.0.clone()).collect(),
        base_path: api.base_path.as_ref().map(|path| path.0.clone()).unwrap_or_default(),
        cors_origins: api.cors_origins.iter().map(|origin| origin.0.clone()).collect(),
        token_cookie: api.token_cookie.as_ref().map(|name| (name.0.clone(), api.token_cookie_same_site)),
        max_args_bytes: bytes(api.max_args_bytes.0),
        max_body_bytes: bytes(api.max_body_bytes.0),
        max_connections: count(api.max_connections),
        max_streams_per_address: count(api.max_streams_per_address),
        max_streams_per_key: count(api.max_streams_per_key),
        trusted_proxies: api.trusted_proxies.iter().filter_map(|proxy| network(&proxy.0)).collect(),
        request_timeout: api.request_timeout,
        stream_lifetime: api.stream_lifetime,
        strict_kinds: api.strict_kinds,
        ..ApiSettings::default()
    }
}

fn count(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

fn bytes(size: u64) -> usize {
    usize::try_from(size).unwrap_or(usize::MAX)
}
