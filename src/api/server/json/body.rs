//! Reads the body of a request: its media type, its size while it arrives, and its timeout. Must
//! never hold more of a body than the limit.

use std::error::Error;
use std::time::Duration;

use axum::body::{Bytes, HttpBody as _, to_bytes};
use axum::extract::{FromRequest, Request};
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue};
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use super::body_limits::BodyPermit;
use super::parse::parse;
use crate::api::server::problem::{Case, Problem, quoted};

/// How long a body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// The largest body of a request in bytes; put into the request's extensions by the guard.
#[derive(Debug, Clone, Copy)]
pub struct BodyLimit(pub usize);

impl Default for BodyLimit {
    fn default() -> Self {
        Self(2 * 1024 * 1024)
    }
}

/// A JSON body as bytes, checked for media type and size only.
#[derive(Debug, Clone)]
pub struct RawBody(pub Bytes);

/// A JSON body as a value.
#[derive(Debug, Clone)]
pub struct Body<T>(pub T);

/// A JSON body that may be absent.
#[derive(Debug, Clone)]
pub struct OptionalBody<T>(pub Option<T>);

impl<S: Send + Sync> FromRequest<S> for RawBody {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        require_json(request.headers())?;
        read(request).await.map(Self)
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let RawBody(bytes) = RawBody::from_request(request, state).await?;
        parse(&bytes).map(Self)
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for OptionalBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let headers = request.headers().clone();
        let bytes = read(request).await?;
        if bytes.is_empty() {
            return Ok(Self(None));
        }
        require_json(&headers)?;
        parse(&bytes).map(Some).map(Self)
    }
}

async fn read(request: Request) -> Result<Bytes, Problem> {
    let BodyLimit(limit) = request.extensions().get().copied().unwrap_or_default();
    let declared =
        request.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    if declared.is_some_and(|length: u64| usize::try_from(length).map_or(true, |length| length > limit)) {
        return Err(too_large(limit));
    }
    if let Some(permit) = request.extensions().get::<BodyPermit>().cloned() {
        // A body without a declared length may be as long as the limit.
        let longest = declared.and_then(|length| usize::try_from(length).ok()).unwrap_or(limit);
        let nothing_follows = declared.is_none() && request.body().is_end_stream();
        permit.take(if nothing_follows { 0 } else { longest }).await?;
    }
    match timeout(BODY_TIMEOUT, to_bytes(request.into_body(), limit)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(error)) if error.source().is_some_and(<dyn Error>::is::<http_body_util::LengthLimitError>) => {
            Err(too_large(limit))
        }
        Ok(Err(_)) => {
            Err(Problem::new(Case::BadRequest, "The connection was closed before the body was complete."))
        }
        Err(_) => {
            let seconds = BODY_TIMEOUT.as_secs();
            Err(Problem::new(Case::BodyTimeout, format!("The body was not complete after {seconds} s.")))
        }
    }
}

fn too_large(limit: usize) -> Problem {
    Problem::new(Case::TooLarge, format!("The body is larger than {limit} bytes."))
        .member("limit_bytes", limit)
}

fn require_json(headers: &HeaderMap) -> Result<(), Problem> {
    let refuse = |detail: String| Err(Problem::new(Case::UnsupportedMediaType, detail));
    if let Some(encoding) = headers.get(CONTENT_ENCODING).filter(|encoding| *encoding != "identity") {
        return refuse(format!(
            "The body is sent with the Content-Encoding {}; only plain bodies are accepted.",
            quoted(&text_of(encoding))
        ));
    }
    let Some(value) = headers.get(CONTENT_TYPE) else {
        return refuse("The request has no Content-Type.".into());
    };
    let value = text_of(value);
    let mut parts = value.split(';');
    let essence = parts.next().unwrap_or_default().trim().to_ascii_lowercase();
    if essence != "application/json" && !(essence.starts_with("application/") && essence.ends_with("+json")) {
        return refuse(format!("The body is sent as {}.", quoted(&value)));
    }
    match parts.find_map(charset).as_deref() {
        None | Some("utf-8" | "utf8" | "us-ascii") => Ok(()),
        Some(other) => refuse(format!("The body is sent in the charset {}; JSON is UTF-8.", quoted(other))),
    }
}

/// The charset parameter of a media type.
fn charset(parameter: &str) -> Option<String> {
    let (name, value) = parameter.split_once('=')?;
    let is_charset = name.trim().eq_ignore_ascii_case("charset");
    is_charset.then(|| value.trim().trim_matches('"').to_ascii_lowercase())
}

fn text_of(value: &HeaderValue) -> String {
    String::from_utf8_lossy(value.as_bytes()).into_owned()
}
