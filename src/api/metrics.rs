//! Counts requests by route, and shows the counters of this process. Must never use a path that a
//! caller made up as a label.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::Method;
use axum::http::header::CONTENT_TYPE;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::metrics::{self, Levels, Metrics};

/// The middleware that counts.
pub async fn track(State(metrics): State<Arc<Metrics>>, request: Request, next: Next) -> Response {
    let began = Instant::now();
    let method = known_method(request.method());
    let path = request.extensions().get::<MatchedPath>().cloned();
    let response = next.run(request).await;
    let route = path.as_ref().map_or("none", MatchedPath::as_str);
    metrics.answered(method, route, response.status().as_u16(), began.elapsed());
    response
}

/// The answer of `/metrics`; `fill` adds what is measured only now.
pub fn page(metrics: &Metrics, fill: impl FnOnce(&mut Levels)) -> Response {
    ([(CONTENT_TYPE, metrics::CONTENT_TYPE)], metrics.text(fill)).into_response()
}

/// Callers may invent methods; those share one label.
fn known_method(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PATCH" => "PATCH",
        "PUT" => "PUT",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}
