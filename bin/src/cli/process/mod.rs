//! A server process: its store, its notifier and listener, and the roles that run on them until a
//! signal. Starts roles in order and stops them in reverse order.

pub(crate) mod alert_rules;
pub(crate) mod http;
pub(crate) mod kinds;
pub(crate) mod limits;
mod otlp;
pub(crate) mod outbound;
pub(crate) mod schedules;
pub(crate) mod signals;
pub(crate) mod vault;
pub(crate) mod wait_for_database;
pub(crate) mod worker;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use self::limits::Declaration;
use self::otlp::Exporter;
use self::vault::vault;
use self::wait_for_database::once_it_answers;
use super::common::error::CliError;
pub(super) use super::common::error::failed;
use crate::config::Config;
use tidemill::kinds::command::strays::reap_if_first;
use tidemill::maintenance;
use tidemill::maintenance::MaintenanceSettings;
use tidemill::metrics::Metrics;
use tidemill::outbound::Channels;
use tidemill::store::db::listener::Wakes;
use tidemill::store::db::notifier::Notifier;
use tidemill::store::{Options, Store};
use tidemill::worker::{Shutdown, Worker};

/// How long the helpers and the connections may take to end.
const CLOSE_WITHIN: Duration = Duration::from_secs(10);

/// How to reach the database that a config names, or the given one.
pub(super) fn store_options(config: &Config, url: String) -> Result<Options, CliError> {
    let database = &config.database;
    Ok(Options {
        url,
        listen_url: database.listen_url.as_ref().map(|url| url.0.clone()),
        schema: database.schema.0.clone(),
        max_connections: database.max_connections,
        statement_timeout: database.statement_timeout,
        pgbouncer: database.pgbouncer,
        vault: vault(config)?,
    })
}

/// The database URL of the config; the commands other than `dev` need one.
pub(super) fn database_url(config: &Config) -> Result<String, CliError> {
    let url = config.database.url.as_ref().map(|url| url.0.clone());
    url.ok_or_else(|| {
        CliError::Usage(
            "no database is configured: set database.url in the config, TIDEMILL_DATABASE__URL, or --database-url; \
             `tidemill dev` needs none"
                .into(),
        )
    })
}

/// The parts shared by all roles of a process.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) store: Store,
    pub(super) notifier: Notifier,
    pub(super) wakes: Wakes,
    pub(super) metrics: Arc<Metrics>,
    /// How the roles are asked to end.
    pub(super) shutdown: Shutdown,
    /// Where its spans go, if anywhere.
    spans: Option<Exporter>,
    helpers: CancellationToken,
    tasks: Vec<JoinHandle<()>>,
}

impl Process {
    /// Connects, checks the schema, and starts the notifier and the listener.
    pub(super) async fn open(options: Options) -> Result<Self, CliError> {
        let store = Store::connect(options).map_err(failed)?;
        once_it_answers(|| store.check_schema()).await?;
        let notifier = Notifier::default();
        reap_if_first();
        let helpers = CancellationToken::new();
        let notifier_task = tokio::spawn(notifier.clone().run(store.clone(), helpers.clone()));
        let wakes = store.listen(helpers.clone());
        Ok(Self {
            store,
            notifier,
            wakes,
            metrics: Arc::default(),
            shutdown: signals::shutdown(),
            spans: Exporter::start(),
            helpers,
            tasks: vec![notifier_task],
        })
    }

    /// Stores what the config declares for all processes. `alone`: the database has no other config.
    pub(super) async fn declare(&self, config: &Config, alone: bool) -> Result<Declaration, CliError> {
        let declaration = Declaration::begin(&self.store, config, alone).await?;
        let (deployment, removes) = (&declaration.deployment, declaration.removes);
        // Also by an earlier release: it hides more, and never less.
        self.store.declare_redacted(deployment, removes).await.map_err(failed)?;
        if let Some(required) = config.encryption.require {
            self.store.declare_sealing(required).await.map_err(failed)?;
        }
        if declaration.writes {
            limits::limits(&self.store, config).await?;
            kinds::remote(&self.store, config).await?;
        }
        Ok(declaration)
    }

    /// Starts maintenance; without channels other processes deliver alerts.
    pub(super) fn maintain(&mut self, config: &Config, channels: Option<Channels>) {
        let settings = MaintenanceSettings {
            sweep: config.maintenance.sweep.min(config.worker.lease_ttl / 6),
            // Processes that deliver alerts also serve remote workers.
            deadlines: channels.is_some(),
            retention: config.maintenance.retention,
            alerts: config.alerting.every,
            channels: channels.map(Arc::new),
        };
        let tasks = maintenance::run(
            self.store.clone(),
            self.notifier.clone(),
            self.metrics.clone(),
            self.wakes.clone(),
            settings,
            self.helpers.clone(),
        );
        self.tasks.push(tokio::spawn(tasks));
    }

    /// Runs the worker until the shutdown has finished.
    pub(super) fn work(&self, worker: Worker) -> JoinHandle<Result<(), CliError>> {
        let shutdown = self.shutdown.clone();
        tokio::spawn(async move { worker.run(shutdown).await.map_err(failed) })
    }

    /// Ends what `open` and `keep` started, and closes the connections.
    pub(super) async fn close(self) {
        self.helpers.cancel();
        let ended = async {
            for task in self.tasks {
                let _ = task.await;
            }
            self.store.close().await;
        };
        if tokio::time::timeout(CLOSE_WITHIN, ended).await.is_err() {
            tracing::warn!("Postgres does not answer; its connections are not closed");
        }
        if let Some(spans) = self.spans {
            spans.close().await;
        }
    }
}

/// Joins a role whose failure ends the process.
pub(super) async fn joined(role: JoinHandle<Result<(), CliError>>) -> Result<(), CliError> {
    role.await.map_err(|error| CliError::Failed(format!("a task of the process failed: {error}")))?
}

/// The address of a page that a browser on this machine can open.
pub(super) fn page_url(address: SocketAddr) -> String {
    if address.ip().is_unspecified() {
        return format!("http://localhost:{}", address.port());
    }
    format!("http://{address}")
}
