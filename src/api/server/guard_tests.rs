//! The layers around a small router, with requests as foreign pages and programs would send them.

use axum::body::{Body, to_bytes};
use axum::http::StatusCode;
use axum::http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, CONTENT_ENCODING, ORIGIN, VARY};
use axum::routing::get;
use serde_json::Value;
use tower::ServiceExt;

use super::*;
use crate::api::server::auth::api_key::StoredKey;
use crate::api::server::auth::gate::{KeyLookup, Lookup};
use crate::api::server::json::{Body as Json, OptionalBody};
use crate::api::server::problem::unknown_route;

const HERE: &str = "127.0.0.1:8080";

struct NoKeys;

impl KeyLookup for NoKeys {
    fn lookup<'a>(&'a self, _: &'a str) -> Lookup<'a, Option<StoredKey>> {
        Box::pin(async { Ok(None) })
    }

    fn any(&self) -> Lookup<'_, bool> {
        Box::pin(async { Ok(false) })
    }
}

fn app(cors_origins: &[&str]) -> Router {
    let cors_origins = cors_origins.iter().map(|&origin| origin.to_owned()).collect();
    let settings = ApiSettings { cors_origins, max_body_bytes: 1000, ..ApiSettings::default() };
    let limit = from_fn_with_state(Duration::from_millis(50), time_limit);
    let echo = |Json(value): Json<Value>| async move { value.to_string() };
    let routes = Router::new()
        .route("/api/v1/jobs", get(|| async { "jobs" }).post(echo))
        .route(
            "/api/v1/jobs/{id}/cancel",
            axum::routing::post(|_: OptionalBody<Value>| async { "cancelled" }),
        )
        .route("/healthz", get(|| async { panic!("secret detail") as &str }))
        .route("/readyz", get(std::future::pending::<&str>).route_layer(limit))
        .fallback(unknown_route);
    Guard::new(&settings, HERE.parse().unwrap()).unwrap().wrap(routes, Gate::new(NoKeys, true))
}

async fn send(app: &Router, request: Request) -> (Response<()>, Value) {
    let (parts, body) = app.clone().oneshot(request).await.unwrap().into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    let text = String::from_utf8_lossy(&body).into_owned();
    (Response::from_parts(parts, ()), serde_json::from_slice(&body).unwrap_or(Value::String(text)))
}

type Response<T> = axum::http::Response<T>;

fn request(method: &str, path: &str, headers: &[(HeaderName, &str)], body: impl Into<Body>) -> Request {
    let mut request = Request::builder().method(method).uri(path);
    if !headers.iter().any(|(name, _)| name == HOST) {
        request = request.header(HOST, HERE);
    }
    for (name, value) in headers {
        request = request.header(name, *value);
    }
    request.body(body.into()).unwrap()
}

const JSON: (HeaderName, &str) = (CONTENT_TYPE, "application/json");
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

#[tokio::test]
async fn every_answer_is_armoured() {
    let app = app(&[]);
    let requests =
        [("GET", "/api/v1/jobs"), ("GET", "/nowhere"), ("GET", "/healthz"), ("PUT", "/api/v1/jobs")];
    for (method, path) in requests {
        let (answer, _) = send(&app, request(method, path, &[], "")).await;
        for (name, value) in HEADERS {
            assert_eq!(answer.headers()[&name], value, "{path}");
        }
        assert!(answer.headers().contains_key(REQUEST_ID));
        assert!(!answer.headers().contains_key(ACCESS_CONTROL_ALLOW_ORIGIN));
    }
    assert!(!CONTENT_POLICY.contains("  ") && !CONTENT_POLICY.contains("unsafe"));
}

#[tokio::test]
async fn every_refusal_is_a_problem() {
    let app = app(&[]);
    let large = "x".repeat(2000);
    let cases = [
        (request("GET", "/nowhere", &[], ""), 404, "not-found"),
        (request("DELETE", "/api/v1/jobs", &[], ""), 405, "method-not-allowed"),
        (request("OPTIONS", "/api/v1/jobs", &[], ""), 405, "method-not-allowed"),
        (request("BREW", "/api/v1/jobs", &[], ""), 405, "method-not-allowed"),
        (request("GET", "/healthz", &[], ""), 500, "internal"),
        (request("GET", "/readyz", &[], ""), 504, "timeout"),
        (request("POST", "/api/v1/jobs", &[], "{}"), 415, "unsupported-media-type"),
        (
            request("POST", "/api/v1/jobs", &[(CONTENT_TYPE, "text/plain")], "{}"),
            415,
            "unsupported-media-type",
        ),
        (
            request("POST", "/api/v1/jobs", &[JSON, (CONTENT_ENCODING, "gzip")], "{}"),
            415,
            "unsupported-media-type",
        ),
        (request("POST", "/api/v1/jobs", &[JSON], ""), 400, "invalid-json"),
        (request("POST", "/api/v1/jobs", &[JSON], "{"), 400, "invalid-json"),
        (request("POST", "/api/v1/jobs", &[JSON], r#"{"a":"\u0000"}"#), 422, "invalid-request"),
        (request("POST", "/api/v1/jobs", &[JSON], large), 413, "too-large"),
        (request("GET", "/api/v1/jobs", &[(HOST, "evil.test:8080")], ""), 421, "misdirected-host"),
        (request("GET", "http://evil.test:8080/api/v1/jobs", &[], ""), 421, "misdirected-host"),
        (request("GET", "/api/v1/jobs", &[(HOST, HERE), (HOST, HERE)], ""), 400, "bad-request"),
    ];
    for (request, status, slug) in cases {
        let shown = format!("{} {}", request.method(), request.uri());
        let (answer, problem) = send(&app, request).await;
        assert_eq!(answer.status().as_u16(), status, "{shown} {problem}");
        assert_eq!(answer.headers()[CONTENT_TYPE], "application/problem+json", "{shown}");
        assert_eq!(problem["type"], format!("https://tidemill.dev/problems/{slug}"), "{shown}");
        assert!(!problem.to_string().contains("secret"), "{problem}");
    }
}

#[tokio::test]
async fn a_body_without_a_length_is_cut_at_the_limit() {
    let endless = futures_util::stream::repeat_with(|| Ok::<_, Infallible>(vec![b' '; 100]));
    let (answer, _) =
        send(&app(&[]), request("POST", "/api/v1/jobs", &[JSON], Body::from_stream(endless))).await;
    assert_eq!(answer.status(), StatusCode::PAYLOAD_TOO_LARGE);
}

use std::convert::Infallible;

#[tokio::test]
async fn pages_of_strangers_change_nothing() {
    let app = app(&["https://jobs.example.org"]);
    let own = "http://127.0.0.1:8080";
    let cases: &[(&[(HeaderName, &str)], u16)] = &[
        (&[], 200),
        (&[(ORIGIN, own)], 200),
        (&[(FETCH_SITE, "same-origin"), (ORIGIN, own)], 200),
        (&[(FETCH_SITE, "none")], 200),
        (&[(ORIGIN, "https://jobs.example.org")], 200),
        (&[(FETCH_SITE, "cross-site"), (ORIGIN, "https://jobs.example.org")], 200),
        (&[(FETCH_SITE, "cross-site")], 403),
        (&[(FETCH_SITE, "same-site"), (ORIGIN, "http://127.0.0.1:3000")], 403),
        (&[(ORIGIN, "null")], 403),
        (&[(ORIGIN, "http://127.0.0.1:3000")], 403),
        (&[(ORIGIN, "https://evil.test")], 403),
        (&[(ORIGIN, "https://jobs.example.org.evil.test")], 403),
    ];
    for (headers, status) in cases {
        let headers: Vec<_> = headers.iter().cloned().chain([JSON]).collect();
        let (answer, _) = send(&app, request("POST", "/api/v1/jobs", &headers, "{}")).await;
        assert_eq!(answer.status().as_u16(), *status, "{headers:?}");
        let empty = send(&app, request("POST", "/api/v1/jobs/7/cancel", &headers, "")).await.0;
        assert_eq!(empty.status().as_u16(), *status, "{headers:?}");
    }
}

/// A host, other headers, and the status that answers them.
type Case<'a> = (&'a str, &'a [(HeaderName, &'a str)], u16);

#[tokio::test]
async fn a_local_name_passes_with_any_port_and_pages_of_others_still_change_nothing() {
    let app = app(&[]);
    let cases: &[Case<'_>] = &[
        // Through `ssh -L 9000:…` or a development server that keeps the Host.
        ("localhost:9000", &[], 200),
        ("localhost:9000", &[(ORIGIN, "http://localhost:9000")], 200),
        ("127.0.0.1:3000", &[(FETCH_SITE, "same-origin"), (ORIGIN, "http://127.0.0.1:3000")], 200),
        // Another page of this machine, and a stranger's.
        ("localhost:9000", &[(ORIGIN, "http://localhost:8080")], 403),
        ("localhost:9000", &[(ORIGIN, "http://localhost:3000")], 403),
        ("localhost:9000", &[(FETCH_SITE, "same-site"), (ORIGIN, "http://localhost:3000")], 403),
        ("localhost:9000", &[(ORIGIN, "http://evil.test:9000")], 403),
        ("localhost:9000", &[(FETCH_SITE, "cross-site")], 403),
        // A stranger's name that was pointed at this machine.
        ("evil.test:8080", &[(ORIGIN, "http://evil.test:8080")], 421),
        ("localhost.evil.test:8080", &[], 421),
    ];
    for (host, headers, status) in cases {
        let headers: Vec<_> = headers.iter().cloned().chain([JSON, (HOST, *host)]).collect();
        let (answer, problem) = send(&app, request("POST", "/api/v1/jobs", &headers, "{}")).await;
        assert_eq!(answer.status().as_u16(), *status, "{headers:?} {problem}");
        if *status == 421 {
            let remedy = problem["remedy"].as_str().unwrap();
            let name = host.split(':').next().unwrap();
            assert!(remedy.contains("with any port") && remedy.contains(HERE), "{remedy}");
            assert!(remedy.contains(&format!("add \"{name}\" to api.hosts")), "{remedy}");
        }
    }
}

#[tokio::test]
async fn only_configured_origins_may_read() {
    let app = app(&["https://jobs.example.org"]);
    let preflight = |origin| {
        let headers = [(ORIGIN, origin), (HeaderName::from_static("access-control-request-method"), "POST")];
        request("OPTIONS", "/api/v1/jobs", &headers, "")
    };
    let (answer, _) = send(&app, preflight("https://jobs.example.org")).await;
    assert_eq!(answer.headers()[ACCESS_CONTROL_ALLOW_ORIGIN], "https://jobs.example.org");
    assert!(answer.headers().contains_key(VARY));
    let (answer, _) = send(&app, preflight("https://evil.test")).await;
    assert!(!answer.headers().contains_key(ACCESS_CONTROL_ALLOW_ORIGIN));
}

#[test]
fn origins_that_are_none_stop_the_start() {
    for origin in ["*", "jobs.example.org", "https://a.test/path", "https://*.test", ""] {
        let settings = ApiSettings { cors_origins: vec![origin.into()], ..ApiSettings::default() };
        let error = Guard::new(&settings, HERE.parse().unwrap()).err().expect(origin).to_string();
        assert!(error.contains("api.cors_origins"), "{error}");
    }
}

#[tokio::test]
async fn a_request_keeps_a_plain_id_only() {
    let app = app(&[]);
    let (answer, _) = send(&app, request("GET", "/api/v1/jobs", &[(REQUEST_ID, "abc-1")], "")).await;
    assert_eq!(answer.headers()[REQUEST_ID], "abc-1");
    let (answer, _) = send(&app, request("GET", "/api/v1/jobs", &[(REQUEST_ID, "a b\"c")], "")).await;
    assert_eq!(answer.headers()[REQUEST_ID].len(), 32);
}
