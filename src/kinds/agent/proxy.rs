//! The one way out of the browser: a proxy on loopback that connects only to hosts that are allowed. Whatever a page does
//! (redirects, frames, workers, sockets), its connections come through here; must never follow a redirect itself.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Body;
use axum::http::header::{CONNECTION, HOST, PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE};
use axum::http::{HeaderMap, HeaderName, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::task::AbortOnDropHandle;

use super::hosts::{Hosts, Refused};

/// What says something of one connection alone.
const HOP_BY_HOP: [HeaderName; 8] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];
/// How many refusals are remembered at once.
const MOST_REFUSALS: usize = 20;

/// A proxy that runs until it is dropped.
pub(super) struct Proxy {
    pub(super) address: SocketAddr,
    gate: Arc<Gate>,
    _task: AbortOnDropHandle<()>,
}

struct Gate {
    hosts: Hosts,
    refused: Mutex<BTreeSet<String>>,
}

impl Proxy {
    pub(super) async fn start(hosts: Hosts) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let gate = Arc::new(Gate { hosts, refused: Mutex::default() });
        let task = tokio::spawn(accept(listener, Arc::clone(&gate)));
        Ok(Self { address, gate, _task: AbortOnDropHandle::new(task) })
    }

    /// What was refused since this was asked last.
    pub(super) fn refusals(&self) -> Vec<String> {
        std::mem::take(&mut *self.gate.refused()).into_iter().collect()
    }
}

impl Gate {
    fn refused(&self) -> std::sync::MutexGuard<'_, BTreeSet<String>> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn refuse(&self, refused: &Refused) -> Response<Body> {
        let text = refused.to_string();
        let mut known = self.refused();
        if known.len() < MOST_REFUSALS {
            known.insert(text.clone());
        }
        answer(StatusCode::FORBIDDEN, text)
    }
}

async fn accept(listener: TcpListener, gate: Arc<Gate>) {
    // With the proxy all that goes through it ends.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Ok((stream, _)) = listener.accept() => { connections.spawn(serve(stream, Arc::clone(&gate))); }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(stream: TcpStream, gate: Arc<Gate>) {
    let tunnels = Arc::new(Mutex::new(JoinSet::new()));
    let service = service_fn(|request: Request<Incoming>| {
        let (gate, tunnels) = (Arc::clone(&gate), Arc::clone(&tunnels));
        async move {
            Ok::<_, Infallible>(match *request.method() {
                Method::CONNECT => tunnel(&gate, request, &tunnels).await,
                _ => forward(&gate, request).await,
            })
        }
    });
    let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service).with_upgrades();
    if let Err(error) = connection.await {
        tracing::trace!(%error, "a connection of the browser ended early");
    }
    let mut open = std::mem::take(&mut *tunnels.lock().unwrap_or_else(PoisonError::into_inner));
    while open.join_next().await.is_some() {}
}

/// Connects and hands bytes on, whatever they are.
async fn tunnel(gate: &Gate, request: Request<Incoming>, tunnels: &Mutex<JoinSet<()>>) -> Response<Body> {
    let Some(target) = request.uri().authority().cloned() else {
        return answer(StatusCode::BAD_REQUEST, "CONNECT needs a host and a port");
    };
    let mut there = match gate.hosts.connect(target.host(), target.port_u16().unwrap_or(443)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(refused)) => return gate.refuse(&refused),
        Err(error) => return unreachable(&error),
    };
    let copy = async move {
        if let Ok(upgraded) = hyper::upgrade::on(request).await {
            // Either side may break off; that is its own concern.
            let _ = tokio::io::copy_bidirectional(&mut TokioIo::new(upgraded), &mut there).await;
        }
    };
    tunnels.lock().unwrap_or_else(PoisonError::into_inner).spawn(copy);
    Response::new(Body::empty())
}

/// Sends one plain request on and its answer back.
async fn forward(gate: &Gate, request: Request<Incoming>) -> Response<Body> {
    let uri = request.uri().clone();
    let (Some("http"), Some(target)) = (uri.scheme_str(), uri.authority()) else {
        return answer(StatusCode::BAD_REQUEST, "a proxy needs an absolute http:// address");
    };
    let stream = match gate.hosts.connect(target.host(), target.port_u16().unwrap_or(80)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(refused)) => return gate.refuse(&refused),
        Err(error) => return unreachable(&error),
    };
    let (mut parts, body) = request.into_parts();
    parts.uri =
        uri.path_and_query().map_or_else(|| "/".parse().unwrap_or_default(), |path| path.clone().into());
    without_hops(&mut parts.headers);
    if let Ok(host) = target.as_str().parse() {
        parts.headers.insert(HOST, host);
    }
    match exchange(stream, Request::from_parts(parts, body)).await {
        Ok(response) => {
            let (mut parts, body) = response.into_parts();
            without_hops(&mut parts.headers);
            Response::from_parts(parts, Body::new(body))
        }
        Err(error) => unreachable(&error),
    }
}

async fn exchange(stream: TcpStream, request: Request<Incoming>) -> hyper::Result<Response<Incoming>> {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    // Ends with its answer's body.
    tokio::spawn(connection);
    sender.send_request(request).await
}

fn without_hops(headers: &mut HeaderMap) {
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
}

fn unreachable(error: &dyn std::error::Error) -> Response<Body> {
    answer(StatusCode::BAD_GATEWAY, format!("the host cannot be reached: {error}"))
}

fn answer(status: StatusCode, text: impl Into<String>) -> Response<Body> {
    let mut response = Response::new(Body::from(text.into()));
    *response.status_mut() = status;
    response
}
