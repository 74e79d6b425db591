//! A private Postgres: finds or downloads the server's programs, creates a cluster in the data
//! folder, runs it as an unprivileged account on loopback, and stops it cleanly. Must never touch a
//! server or data that are not its own, and must never lose acknowledged writes.
//!
//! # Examples
//!
//! ```no_run
//! # async fn example() -> Result<(), tidemill_embedded_postgres::EmbeddedError> {
//! use tidemill_embedded_postgres::{EmbeddedPostgres, Settings};
//!
//! let postgres = EmbeddedPostgres::start(Settings::new(".tidemill")).await?;
//! println!("psql '{}'", postgres.url());
//! postgres.stop().await
//! # }
//! ```

#![cfg_attr(not(test), warn(clippy::unwrap_used))]
#![warn(clippy::pedantic, unreachable_pub)]

mod admin;
mod cluster;
mod configuration;
mod error;
#[cfg(feature = "fetch")]
mod fetch;
#[cfg(not(feature = "fetch"))]
#[path = "no_fetch.rs"]
mod fetch;
mod home;
mod lock;
mod log;
mod owner;
mod pid_file;
mod processes;
mod programs;
mod remains;
mod secret;
mod server;
mod site;
mod upgrade;
mod version;

use std::path::Path;
use std::time::Duration;

use tokio_util::task::AbortOnDropHandle;

pub use error::EmbeddedError;
pub use site::Settings;

use admin::Admin;
use home::Home;
use lock::Lock;
use server::Server;
use site::Site;

/// A running server on a data folder that is locked for other processes.
///
/// Dropped without [`stop`](Self::stop), the data folder is released but the server keeps running, as it does when
/// tidemill is killed; the next [`start`](Self::start) on the same folder adopts it.
#[derive(Debug)]
pub struct EmbeddedPostgres {
    site: Site,
    url: String,
    server: Server,
    _log_trimmer: AbortOnDropHandle<()>,
    _lock: Lock,
}

impl EmbeddedPostgres {
    /// Starts the server of a data folder, or takes over the one that an earlier tidemill left running
    /// there; creates the cluster and the database first. The port stays the same from start to start while
    /// it is free.
    ///
    /// # Errors
    /// If another live tidemill uses the folder, if no suitable programs exist, or if the cluster cannot be
    /// created, started or logged in to. Each error says what to do about it.
    pub async fn start(settings: Settings) -> Result<Self, EmbeddedError> {
        let home = Home::find(&settings.data_dir).await?;
        let lock = Lock::take(&home).await?;
        let exists = cluster::major(&home)?.is_some();
        let password = secret::load_or_create(&home.password(), exists)?;
        let site = Site { settings, home, password };
        let programs = if exists {
            None
        } else {
            let programs = programs::find(&site.home, site.settings.programs_dir.as_deref(), None).await?;
            cluster::create(&site.home, &programs, &site.password, site.settings.durable).await?;
            Some(programs)
        };
        site.home.point_to_cluster()?;
        let server = bring_up(&site, programs).await?;
        let log_trimmer = AbortOnDropHandle::new(tokio::spawn(log::keep_bounded(site.home.log())));
        let url = url(&site.password, server.port, admin::DATABASE);
        Ok(Self { site, url, server, _log_trimmer: log_trimmer, _lock: lock })
    }

    /// The URL of tidemill's database, password included.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The URL of another database on the same server; it need not exist yet.
    #[must_use]
    pub fn url_for(&self, database: &str) -> String {
        url(&self.site.password, self.server.port, database)
    }

    /// The folder of the server's Unix socket, which only the server's account (and root) can enter.
    #[must_use]
    pub fn socket_dir(&self) -> &Path {
        &self.server.socket_dir
    }

    /// The TCP port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.server.port
    }

    /// The process id of the server's first process.
    #[must_use]
    pub fn postmaster_pid(&self) -> i32 {
        self.server.pid
    }

    /// Waits until the server has ended without [`stop`](Self::stop), for instance because it was killed;
    /// or ends it after an upgrade of its programs, because then no new session would work.
    pub async fn ended(&mut self) {
        while self.server.ended().is_none() {
            if let Some(reason) = self.server.wants_restart(&self.site).await {
                tracing::warn!("restarting the embedded Postgres: {reason}");
                if let Err(error) = self.server.stop().await {
                    tracing::error!(%error, "the embedded Postgres could not be stopped");
                }
                return;
            }
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
    }

    /// Starts a server that [`ended`](Self::ended) again, on the same port unless another program has taken
    /// it (then [`url`](Self::url) changes). Does nothing if the server is running.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub async fn restart(&mut self) -> Result<(), EmbeddedError> {
        if self.server.ended().is_some() {
            self.server = bring_up(&self.site, None).await?;
            self.url = self.url_for(admin::DATABASE);
        }
        Ok(())
    }

    /// Shuts the server down cleanly, cutting off its clients, and returns when it is gone.
    ///
    /// # Errors
    /// If its process does not end by any signal.
    pub async fn stop(mut self) -> Result<(), EmbeddedError> {
        self.server.stop().await?;
        // Only empty folders can be removed this way; the next start makes it again.
        if let Err(error) = std::fs::remove_dir(&self.server.socket_dir) {
            tracing::debug!(%error, "the socket folder could not be removed");
        }
        tracing::info!("Postgres has stopped");
        Ok(())
    }
}

async fn bring_up(site: &Site, programs: Option<programs::Programs>) -> Result<Server, EmbeddedError> {
    let server = Server::bring_up(site, programs).await?;
    let mut admin = Admin::connect(server.port, &site.password).await?;
    admin.ensure_database().await?;
    admin.close().await;
    Ok(server)
}

fn url(password: &str, port: u16, database: &str) -> String {
    format!("postgres://{}:{password}@127.0.0.1:{port}/{database}", cluster::USER)
}
