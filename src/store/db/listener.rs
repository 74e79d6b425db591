//! Holds the process's LISTEN connection, verifies it with probe notifications, and fans wake-ups
//! out to subscribers. After every reconnect it informs them, because notifications were missed.

use std::time::Duration;

use sqlx::postgres::{PgListener, PgPoolOptions};
use tokio::sync::{broadcast, watch};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::hosts::Hosts;
use super::session_settings;
pub use super::wake::Wake;
use crate::store::{Error, Result, Store};

/// The interval of the probes.
const PROBE_EVERY: Duration = Duration::from_secs(5);
/// How long a probe notification may take to arrive.
const ECHO_WITHIN: Duration = Duration::from_secs(3);

/// The receiver of wake-ups.
#[derive(Debug, Clone)]
pub struct Wakes {
    sender: broadcast::Sender<Wake>,
    healthy: watch::Receiver<bool>,
}

impl Wakes {
    /// Subscribes to all wake-ups from now on.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Wake> {
        self.sender.subscribe()
    }

    /// True while the connection is known to receive notifications.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        *self.healthy.borrow()
    }

    /// Follows whether the connection is known to receive notifications.
    pub(crate) fn health(&self) -> watch::Receiver<bool> {
        self.healthy.clone()
    }
}

impl Store {
    /// Starts listening until the token is cancelled; reconnects by itself. Without a direct connection no
    /// notification ever arrives, and subscribers poll.
    #[must_use]
    pub fn listen(&self, shutdown: CancellationToken) -> Wakes {
        let (sender, _) = broadcast::channel(4096);
        let (healthy, healthy_receiver) = watch::channel(false);
        let wakes = Wakes { sender: sender.clone(), healthy: healthy_receiver };
        // Behind a pooler a listening session would belong to another client the next moment.
        let Some(url) = self.options().direct_url().map(str::to_owned) else {
            tracing::info!("no direct connection for LISTEN (database.listen_url); polling instead");
            return wakes;
        };
        let store = self.clone();
        tokio::spawn(async move {
            let mut delay = Duration::from_millis(100);
            loop {
                tokio::select! {
                    () = shutdown.cancelled() => break,
                    ended = listen_once(&store, &url, &sender, &healthy) => {
                        if *healthy.borrow() {
                            delay = Duration::from_millis(100);
                        }
                        healthy.send_replace(false);
                        tracing::warn!(reason = %ended, "LISTEN failed; polling until it works again");
                    }
                }
                tokio::select! {
                    () = shutdown.cancelled() => break,
                    () = tokio::time::sleep(delay) => {}
                }
                delay = (delay * 2).min(Duration::from_secs(5));
            }
            healthy.send_replace(false);
        });
        wakes
    }
}

/// Listens until the connection fails; returns the reason.
async fn listen_once(
    store: &Store,
    url: &str,
    sender: &broadcast::Sender<Wake>,
    healthy: &watch::Sender<bool>,
) -> Error {
    match try_listen(store, url, sender, healthy).await {
        Ok(never) => match never {},
        Err(error) => error,
    }
}

enum Never {}

async fn try_listen(
    store: &Store,
    url: &str,
    sender: &broadcast::Sender<Wake>,
    healthy: &watch::Sender<bool>,
) -> Result<Never> {
    let connect = Hosts::direct(store.options(), url, &[])?.find().await?;
    let pool = PgPoolOptions::new()
        .after_connect(|connection, _| Box::pin(session_settings::pin(connection)))
        .max_connections(1)
        .acquire_timeout(Duration::from_secs(5))
        .max_lifetime(None)
        .idle_timeout(None)
        .connect_with(connect)
        .await?;
    let mut listener = PgListener::connect_with(&pool).await?;
    listener.ignore_pool_close_event(true);
    listener.listen(store.channel()).await?;
    let _ = sender.send(Wake::Missed);
    let probe = format!("p:{}", Uuid::new_v4());
    let mut next_probe = Instant::now();
    let mut echo_due: Option<Instant> = None;
    loop {
        let until = echo_due.unwrap_or(next_probe);
        match timeout(until.saturating_duration_since(Instant::now()), listener.try_recv()).await {
            Ok(Ok(Some(notification))) => {
                let payload = notification.payload();
                if payload == probe {
                    echo_due = None;
                    healthy.send_if_modified(|healthy| !std::mem::replace(healthy, true));
                    continue;
                }
                for wake in payload.lines().filter_map(Wake::parse) {
                    let _ = sender.send(wake);
                }
            }
            Ok(Ok(None)) => return Err(lost("the connection was closed")),
            Ok(Err(error)) => return Err(error.into()),
            Err(_) if echo_due.is_some() => return Err(lost("a probe notification did not arrive")),
            Err(_) => {
                // Through the ordinary pool, so that the whole way from a NOTIFY to this listener is
                // tested.
                let sending = sqlx::query!("select pg_notify($1, $2)", store.channel(), probe);
                match timeout(ECHO_WITHIN, sending.execute(store.claims())).await {
                    Ok(sent) => sent?,
                    Err(_) => return Err(lost("a probe could not be sent")),
                };
                next_probe = Instant::now() + PROBE_EVERY;
                echo_due = Some(Instant::now() + ECHO_WITHIN);
            }
        }
    }
}

fn lost(why: &str) -> Error {
    Error::Database(sqlx::Error::Protocol(why.to_owned()))
}
