//! A span of each request that can enqueue: the parent of the jobs that it enqueues. Must never contain a
//! path that a caller invented.

use std::time::SystemTime;

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderValue, Method};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use opentelemetry::KeyValue;
use opentelemetry::trace::{SpanKind, Status};
use tidemill::job::trace::{TRACEPARENT, TraceParent};

use super::exporter::{EndedSpan, Exporter};

/// Remote workers poll here, and the children that they enqueue continue their attempts.
const OF_WORKERS: &str = "/api/v1/worker/";

/// Makes spans of the requests of an app that may enqueue.
pub(in crate::cli::process) fn watch(spans: &Exporter, app: Router) -> Router {
    app.layer(from_fn_with_state(spans.clone(), trace))
}

/// The middleware: what lies behind it finds the request's own span in its header.
async fn trace(State(exporter): State<Exporter>, mut request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let Some(route) =
        route.filter(|route| request.method() == Method::POST && !route.starts_with(OF_WORKERS))
    else {
        return next.run(request).await;
    };
    let header = request.headers().get(TRACEPARENT).and_then(|value| value.to_str().ok());
    let parent = header.and_then(TraceParent::parse);
    let own = TraceParent {
        trace_id: parent.map_or_else(|| rand::random::<u128>().max(1), |parent| parent.trace_id),
        span_id: rand::random::<u64>().max(1),
        flags: parent.map_or(1, |parent| parent.flags & 1),
    };
    if let (true, Ok(value)) = (own.is_recorded(), HeaderValue::from_str(&own.to_string())) {
        request.headers_mut().insert(TRACEPARENT, value);
    }
    let started_at = SystemTime::now();
    let response = next.run(request).await;
    let status = response.status();
    exporter.send(EndedSpan {
        own,
        parent,
        kind: SpanKind::Server,
        name: format!("POST {route}"),
        since: started_at,
        until: SystemTime::now().max(started_at),
        attributes: vec![
            KeyValue::new("http.request.method", "POST"),
            KeyValue::new("http.route", route),
            KeyValue::new("http.response.status_code", i64::from(status.as_u16())),
        ],
        status: if status.is_server_error() { Status::error("") } else { Status::Unset },
    });
    response
}
