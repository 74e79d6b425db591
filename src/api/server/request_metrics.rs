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

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::{Body, to_bytes};
    use axum::middleware::from_fn_with_state;
    use axum::routing::get;
    use tower::ServiceExt;

    use super::*;

    #[tokio::test]
    async fn routes_are_counted_under_the_routers_names() {
        let metrics = Arc::new(Metrics::new());
        let app = Router::new()
            .route("/jobs/{id}", get(|| async { "job" }))
            .layer(from_fn_with_state(Arc::clone(&metrics), track));
        for (method, path) in
            [("GET", "/jobs/1"), ("GET", "/jobs/2"), ("BREW", "/jobs/3"), ("GET", "/made-up")]
        {
            let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
            app.clone().oneshot(request).await.unwrap();
        }
        let body = to_bytes(page(&metrics, |_| {}).into_body(), usize::MAX).await.unwrap();
        let text = String::from_utf8(body.to_vec()).unwrap();
        for line in [
            r#"tidemill_http_requests_total{method="GET",route="/jobs/{id}",status="200"} 2"#,
            r#"tidemill_http_requests_total{method="other",route="/jobs/{id}",status="405"} 1"#,
            r#"tidemill_http_requests_total{method="GET",route="none",status="404"} 1"#,
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
        assert!(!text.contains("made-up"));
    }
}
