//! The middleware around every route: host, origin, key, limits, panics, headers and the trace. A
//! route must never need its own version of any of it.

use std::any::Any;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{Request, State};
use axum::http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, HeaderName, LOCATION,
    REFERRER_POLICY, RETRY_AFTER, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderValue, Method};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Router};
use tower::util::option_layer;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::CorsLayer;
use tower_http::csrf::{ConfigError, CsrfLayer, ProtectionError};
use tracing::Instrument;
use uuid::Uuid;

use super::auth::cookie::CSRF_HEADER;
use super::auth::entrance::enter;
use super::auth::gate::Gate;
use super::host::Hosts;
use super::json::{BodyLimit, BodyPlaces, hold_places};
use super::problem::{Case, Problem, quoted};
use super::settings::ApiSettings;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const PREFER: HeaderName = HeaderName::from_static("prefer");
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

const CONTENT_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
    connect-src 'self'; font-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'";

/// Headers of every answer that does not set them itself.
const HEADERS: [(HeaderName, &str); 7] = [
    (CONTENT_SECURITY_POLICY, CONTENT_POLICY),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (X_FRAME_OPTIONS, "DENY"),
    (REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (CACHE_CONTROL, "no-store"),
];

/// A setting of the guard that makes no sense.
#[derive(Debug, thiserror::Error)]
pub enum GuardError {
    /// An entry of `cors_origins` is not an origin.
    #[error(
        "api.cors_origins has {origin:?}, which is not an origin: {source}; write it like \
         \"https://jobs.example.org\""
    )]
    Origin {
        /// The entry.
        origin: String,
        /// The error.
        source: ConfigError,
    },
    /// `cors_origins` has `*` or something that fits in no header.
    #[error("api.cors_origins has {0:?}; name every origin, like \"https://jobs.example.org\"")]
    Wildcard(String),
}

type CrossSite = fn(ProtectionError) -> Response;

/// The layers around all routes.
#[derive(Clone)]
pub struct Guard {
    hosts: Arc<Hosts>,
    origins: CsrfLayer<CrossSite>,
    cors: Option<CorsLayer>,
    body_limit: BodyLimit,
    body_places: BodyPlaces,
}

impl Guard {
    /// The guard of a listener at `listening`.
    ///
    /// # Errors
    /// If an origin in the settings is invalid.
    pub fn new(settings: &ApiSettings, listening: SocketAddr) -> Result<Self, GuardError> {
        let mut origins = CsrfLayer::new();
        let mut allowed = Vec::new();
        for origin in &settings.cors_origins {
            let refused = || GuardError::Wildcard(origin.clone());
            if origin.contains('*') {
                return Err(refused());
            }
            origins = origins
                .add_trusted_origin(origin)
                .map_err(|source| GuardError::Origin { origin: origin.clone(), source })?;
            allowed.push(HeaderValue::from_str(origin).map_err(|_| refused())?);
        }
        Ok(Self {
            hosts: Arc::new(Hosts::new(listening, &settings.hosts)),
            origins: origins.with_rejection_response(cross_site as CrossSite),
            cors: cors(allowed, settings.token_cookie.is_some()),
            body_limit: BodyLimit(settings.max_body_bytes),
            body_places: BodyPlaces::new(settings.max_body_bytes),
        })
    }

    /// Puts the layers around `routes`, which must have their fallbacks already.
    pub fn wrap(&self, routes: Router, keys: Arc<Gate>) -> Router {
        // The last layer is the outermost.
        routes
            .layer(Extension(self.body_limit))
            .layer(from_fn_with_state(self.body_places.clone(), hold_places))
            .layer(from_fn_with_state(keys, enter))
            .layer(self.origins.clone())
            .layer(option_layer(self.cors.clone()))
            .layer(from_fn_with_state(Arc::clone(&self.hosts), known_host))
            .layer(CatchPanicLayer::custom(panicked as fn(_) -> _))
            .layer(from_fn(add_headers))
            .layer(from_fn(trace))
    }
}

/// Bounds the time until the answer begins; for routes that neither stream nor poll long.
pub async fn time_limit(State(limit): State<Duration>, request: Request, next: Next) -> Response {
    tokio::time::timeout(limit, next.run(request)).await.unwrap_or_else(|_| {
        let detail = format!("There was no answer within {} s.", limit.as_secs_f64());
        Problem::new(Case::Timeout, detail).into_response()
    })
}

/// Without origins there is no layer at all: then preflights are refused like any unknown method. Only with a cookie
/// may pages of other origins send cookies; the layer answers them their own origin, never `*`.
fn cors(origins: Vec<HeaderValue>, with_cookie: bool) -> Option<CorsLayer> {
    if origins.is_empty() {
        return None;
    }
    let layer = CorsLayer::new()
        .allow_origin(origins)
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
        .allow_credentials(with_cookie)
        .allow_headers([AUTHORIZATION, CONTENT_TYPE, IDEMPOTENCY_KEY, LAST_EVENT_ID, PREFER, CSRF_HEADER])
        .expose_headers([LOCATION, RETRY_AFTER, REQUEST_ID])
        .max_age(Duration::from_mins(10));
    Some(layer)
}

fn cross_site(_: ProtectionError) -> Response {
    Problem::new(Case::CrossSite, "A page of another origin made the request.").into_response()
}

async fn known_host(State(hosts): State<Arc<Hosts>>, request: Request, next: Next) -> Response {
    let mut named = request.headers().get_all(HOST).iter();
    let (Some(host), None) = (named.next(), named.next()) else {
        let detail = "The request has no Host header, or several.";
        return Problem::new(Case::BadRequest, detail)
            .field("Host")
            .remedy("Send one Host header.")
            .into_response();
    };
    let of_target = request.uri().authority().map(|authority| authority.as_str().to_owned());
    let of_header = String::from_utf8_lossy(host.as_bytes()).into_owned();
    for name in of_target.into_iter().chain([of_header]) {
        if !hosts.allow(&name) {
            let detail = format!("This server does not answer for {}.", quoted(&name));
            return Problem::new(Case::MisdirectedHost, detail)
                .field("Host")
                .remedy(hosts.remedy(&name))
                .into_response();
        }
    }
    next.run(request).await
}

#[expect(clippy::needless_pass_by_value, reason = "the layer hands the panic over")]
fn panicked(panic: Box<dyn Any + Send>) -> Response {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
    Problem::internal(&format!("a handler panicked: {text}")).into_response()
}

async fn add_headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    for (name, value) in HEADERS {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

/// Gives the request an id, or keeps the caller's, and traces it. The query stays out of the log.
async fn trace(request: Request, next: Next) -> Response {
    let id = request_id(&request);
    let span = tracing::info_span!("http", method = %request.method(), path = request.uri().path(), request_id = %id);
    let began = Instant::now();
    async {
        let mut response = next.run(request).await;
        let status = response.status().as_u16();
        tracing::debug!(status, elapsed_ms = began.elapsed().as_secs_f64() * 1000.0, "answered");
        if let Ok(value) = HeaderValue::from_str(&id) {
            response.headers_mut().insert(REQUEST_ID, value);
        }
        response
    }
    .instrument(span)
    .await
}

fn request_id(request: &Request) -> String {
    let given = request.headers().get(REQUEST_ID).and_then(|id| id.to_str().ok());
    let is_plain = |id: &&str| {
        (1..=64).contains(&id.len())
            && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
    };
    given.filter(is_plain).map_or_else(|| Uuid::new_v4().simple().to_string(), str::to_owned)
}

#[cfg(test)]
#[path = "guard_tests.rs"]
mod tests;
