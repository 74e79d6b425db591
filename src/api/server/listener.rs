//! Accepts connections and serves HTTP/1.1 on them, with bounds on everything that a peer can
//! prolong. Must never listen on an address that others can reach before a key exists.

use std::convert::Infallible;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use ipnet::IpNet;
use tokio::net::{TcpListener, TcpStream, lookup_host};
use tokio::time::{sleep, timeout};
use tokio_io_timeout::TimeoutStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use super::connection_limits::{Seat, Seats};
use super::host::is_loopback;
use crate::api::events::stream_limits::ShortOnly;

/// The largest head of a request, in bytes, and the most headers in it.
const MAX_HEAD_BYTES: usize = 64 * 1024;
const MAX_HEADERS: usize = 100;
/// How long a peer with a reserved place may take to send the head of its request.
const SHORT_HEAD: Duration = Duration::from_secs(2);
/// The answer to a peer without a place.
const NO_PLACE: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
/// How long to wait when the system cannot open another connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Why the server does not listen.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The address cannot be read or found.
    #[error("cannot listen on {listen:?}: {source}; write address and port, such as 127.0.0.1:8080")]
    Address {
        /// The setting.
        listen: String,
        /// The error of the system.
        source: io::Error,
    },
    /// The address cannot be taken.
    #[error(
        "cannot listen on {address}: {source}; stop the program that uses the port, or choose another with \
         --listen"
    )]
    Bind {
        /// The address.
        address: SocketAddr,
        /// The error of the system.
        source: io::Error,
    },
    /// Others can reach the address, and no key would be required from them.
    #[error(
        "refusing to listen on {0}: other machines can reach it, and no API key exists; create one with \
         'tidemill keys create --scope admin', or listen on 127.0.0.1"
    )]
    Exposed(SocketAddr),
}

/// The limits of a peer.
#[derive(Debug, Clone)]
pub struct PeerLimits {
    /// How long a connection may take to send a request's head, also when it is idle between two.
    pub head_timeout: Duration,
    /// How long a connection may not take what is written to it.
    pub write_timeout: Duration,
    /// The most connections, in addition to those reserved for short requests; more are refused.
    pub connections: usize,
    /// The trusted proxies.
    pub proxies: Vec<IpNet>,
    /// How long requests may continue after the shutdown started.
    pub drain: Duration,
}

impl Default for PeerLimits {
    fn default() -> Self {
        Self {
            head_timeout: Duration::from_secs(10),
            write_timeout: Duration::from_mins(1),
            connections: 10_000,
            proxies: Vec::new(),
            drain: Duration::from_secs(10),
        }
    }
}

/// A bound socket.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    address: SocketAddr,
}

impl Listener {
    /// Takes the address `listen`. `any_key` says whether an API key was ever created.
    ///
    /// # Errors
    /// If the address is not available, or if others can reach it and no key exists.
    pub async fn bind(listen: &str, any_key: bool) -> Result<Self, ListenError> {
        let unknown = |source| ListenError::Address { listen: listen.to_owned(), source };
        let addresses: Vec<_> = lookup_host(listen).await.map_err(unknown)?.collect();
        if let Some(exposed) = addresses.iter().find(|address| !any_key && !is_loopback(address.ip())) {
            return Err(ListenError::Exposed(*exposed));
        }
        let none = || unknown(io::Error::new(io::ErrorKind::NotFound, "the name has no address"));
        let first = *addresses.first().ok_or_else(none)?;
        let failed = |source| ListenError::Bind { address: first, source };
        let socket = TcpListener::bind(&addresses[..]).await.map_err(failed)?;
        let address = socket.local_addr().map_err(failed)?;
        if !any_key {
            tracing::warn!(
                %address,
                "no API key exists: everyone on this machine has full access; create one with \
                 'tidemill keys create'"
            );
        }
        Ok(Self { socket, address })
    }

    /// The listening address with the real port.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// True if only this machine can reach it.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        is_loopback(self.address.ip())
    }

    /// Serves `app` until `shutdown`, and then until the last request is answered or the drain time has
    /// passed. Streams must watch `shutdown` themselves and end.
    pub async fn serve(self, app: Router, limits: PeerLimits, shutdown: CancellationToken) {
        let seats = Seats::new(limits.connections, limits.proxies.clone());
        let (connections, cut) = (TaskTracker::new(), CancellationToken::new());
        loop {
            let accepted = tokio::select! {
                () = shutdown.cancelled() => break,
                accepted = accept(&self.socket) => accepted,
            };
            let Some((stream, peer)) = accepted else { continue };
            let Some(seat) = seats.seat(peer.ip()) else {
                refuse(stream);
                continue;
            };
            let short_only = matches!(seat, Seat::Kept(_));
            // In a box: its future would stand in the task's twice, where it is made and where it is polled.
            let connection = Box::pin(serve_one(
                (stream, peer),
                app.clone(),
                limits.clone(),
                short_only,
                shutdown.clone(),
            ));
            let cut = cut.clone();
            connections.spawn(async move {
                tokio::select! {
                    () = connection => {}
                    () = cut.cancelled() => {}
                }
                drop(seat);
            });
        }
        drop(self.socket);
        connections.close();
        if timeout(limits.drain, connections.wait()).await.is_err() {
            tracing::warn!(
                after = ?limits.drain, open = connections.len(),
                "closing connections that are still in the middle of a request"
            );
        }
        cut.cancel();
        connections.wait().await;
    }
}

async fn accept(socket: &TcpListener) -> Option<(TcpStream, SocketAddr)> {
    match socket.accept().await {
        Ok(accepted) => Some(accepted),
        Err(error) => {
            tracing::warn!(%error, "a connection could not be accepted");
            sleep(ACCEPT_PAUSE).await;
            None
        }
    }
}

/// Sends the refusal if that is possible without waiting for the peer, and closes the connection.
fn refuse(stream: TcpStream) {
    if let Ok(mut stream) = stream.into_std() {
        let _ = stream.write_all(NO_PLACE);
    }
}

async fn serve_one(
    (stream, peer): (TcpStream, SocketAddr),
    app: Router,
    limits: PeerLimits,
    short_only: bool,
    shutdown: CancellationToken,
) {
    // An event must be sent at once; if this option cannot be set, it is only sent a little later.
    let _ = stream.set_nodelay(true);
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(limits.write_timeout));
    let service = service_fn(move |mut request: Request<Incoming>| {
        let app = app.clone();
        request.extensions_mut().insert(ConnectInfo(peer));
        if short_only {
            request.extensions_mut().insert(ShortOnly);
        }
        async move { Ok::<_, Infallible>(answer(app, request.map(Body::new)).await) }
    });
    // hyper-util's own builder waits without end for a peer's first byte, so hyper's is used.
    let mut connection = Box::pin(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(if short_only {
                limits.head_timeout.min(SHORT_HEAD)
            } else {
                limits.head_timeout
            })
            .keep_alive(!short_only)
            .max_buf_size(MAX_HEAD_BYTES)
            .max_headers(MAX_HEADERS)
            .serve_connection(TokioIo::new(Box::pin(stream)), service)
            .with_upgrades(),
    );
    let result = tokio::select! {
        result = &mut connection => result,
        () = shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        tracing::debug!(%peer, %error, "a connection ended early");
    }
}

async fn answer(app: Router, request: Request<Body>) -> axum::response::Response {
    match app.oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}

#[cfg(test)]
#[path = "listener_tests.rs"]
mod tests;
