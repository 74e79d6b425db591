//! Limits on requests that hold a connection for long: event streams, WebSockets and long polls.
//! One address and one key have a limit each, and all together leave connections for short
//! requests. Must never count a request that has ended.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt as _;
use ipnet::IpNet;

use crate::api::server::auth::caller::Caller;
use crate::api::server::client::client_of;
use crate::api::server::connection_limits::{Counts, Full, Place, peer_of};
use crate::api::server::problem::{Case, Problem};

/// The time to wait before the next request.
const LATER: Duration = Duration::from_secs(5);

/// The connection uses a place reserved for short requests.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ShortOnly;

/// The limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamLimits {
    /// The limit of all addresses and keys together.
    pub all: usize,
    /// The limit of one address.
    pub of_address: usize,
    /// The limit of one API key.
    pub of_key: usize,
    /// The trusted proxies.
    pub proxies: Vec<IpNet>,
}

/// The streams that are open.
#[derive(Debug)]
pub struct StreamPlaces {
    limits: StreamLimits,
    addresses: Counts<IpAddr>,
    keys: Counts<String>,
}

/// The counters of the address and of the key.
type OfBoth = (Option<Place<IpAddr>>, Option<Place<String>>);

/// A place for a stream; it is in use while a clone of it exists.
#[derive(Debug, Clone)]
pub struct StreamPlace {
    #[expect(dead_code, reason = "held until the last clone is dropped")]
    of: Arc<OfBoth>,
}

impl StreamPlaces {
    /// These limits, with no open stream.
    #[must_use]
    pub fn new(limits: StreamLimits) -> Arc<Self> {
        Arc::new(Self { limits, addresses: Counts::default(), keys: Counts::default() })
    }

    fn take(&self, client: Option<IpAddr>, key: Option<&str>) -> Result<StreamPlace, Problem> {
        let limits = &self.limits;
        let address =
            client.map(|client| self.addresses.take(peer_of(client), limits.all, limits.of_address));
        let address = address.transpose().map_err(|full| match full {
            Full::All => no_place(),
            Full::One => too_many("address", limits.of_address, "api.max_streams_per_address"),
        })?;
        let key = key.map(|key| self.keys.take(key.to_owned(), limits.all, limits.of_key));
        let key = key.transpose().map_err(|full| match full {
            Full::All => no_place(),
            Full::One => too_many("API key", limits.of_key, "api.max_streams_per_key"),
        })?;
        Ok(StreamPlace { of: Arc::new((address, key)) })
    }
}

fn no_place() -> Problem {
    let detail = "The server has reached its limit of open event streams and waiting requests.";
    Problem::new(Case::Unavailable, detail).retry_after(LATER)
}

fn too_many(of: &str, most: usize, setting: &str) -> Problem {
    let detail =
        format!("This {of} has reached its limit of {most} open event streams and waiting requests.");
    let remedy = format!(
        "Close some, follow several jobs in one stream (/api/v1/events?job=…&job=…), or raise {setting}; behind a proxy set api.trusted_proxies."
    );
    Problem::new(Case::TooManyRequests, detail).remedy(remedy).retry_after(LATER)
}

/// Lets a request with a place through, and keeps the place until its answer has ended.
pub(crate) async fn bounded(
    State(places): State<Arc<StreamPlaces>>,
    mut request: Request,
    next: Next,
) -> Response {
    if request.extensions().get::<ShortOnly>().is_some() {
        return no_place().into_response();
    }
    let client = client_of(&request, &places.limits.proxies);
    let key = request.extensions().get::<Caller>().and_then(|caller| caller.key_id.as_deref());
    let place = match places.take(client, key) {
        Ok(place) => place,
        Err(problem) => return problem.into_response(),
    };
    // A WebSocket keeps the place itself, because its HTTP answer ends before it begins.
    request.extensions_mut().insert(place.clone());
    let response = next.run(request).await;
    let content = response.headers().get(CONTENT_TYPE);
    if content.is_none_or(|content| !content.as_bytes().starts_with(b"text/event-stream")) {
        return response;
    }
    response.map(|body| {
        Body::from_stream(body.into_data_stream().map(move |piece| {
            let _permit = &place;
            piece
        }))
    })
}
