//! What the call says, and what single answers mean.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Redirect;
use axum::routing::post;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use tidemill::Context;
use tidemill::job::attempt::{Outcome, StopReason};
use tidemill::kinds::url::{UrlKind, UrlSpec, UrlSpecError};
use tidemill::worker::context::Attempt;
use tidemill::worker::handler::DynHandler;
use tidemill::worker::testing::outcome_of;
use tokio::sync::{mpsc, oneshot};
use url::Url;

use crate::support::{answered, call, call_with, completed, failure, in_time, serve, spec};

#[tokio::test]
async fn the_call_says_what_it_is_and_is_signed() {
    let (seen, mut calls) = mpsc::channel::<(HeaderMap, Bytes)>(1);
    let handler = async move |headers: HeaderMap, body: Bytes| {
        seen.send((headers, body)).await.unwrap();
        axum::Json(json!({ "ok": true }))
    };
    let address = serve(Router::new().route("/", post(handler))).await;
    let headers = BTreeMap::from([("authorization".to_owned(), "Bearer token".to_owned())]);
    let secret = Some("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned());
    let attempt = Attempt {
        execution_id: Some("order-7".into()),
        attempt: 2,
        ..Attempt::for_test("resize", json!({ "width": 3 }))
    };
    let (outcome, _) = call_with(UrlSpec { secret, headers, ..spec(address) }, attempt.clone()).await;
    assert_eq!(outcome, completed(json!({ "ok": true })));

    let (headers, body) = calls.recv().await.unwrap();
    let expected = json!({
        "job_id": attempt.job_id, "kind": "resize", "attempt": 2, "max_attempts": 5,
        "args": { "width": 3 }, "execution_id": "order-7",
    });
    assert_eq!(serde_json::from_slice::<Value>(&body).unwrap(), expected);
    let text = |name: &str| headers[name].to_str().unwrap().to_owned();
    assert_eq!(
        (text("content-type"), text("authorization")),
        ("application/json".into(), "Bearer token".into())
    );
    assert_eq!(text("webhook-id"), attempt.lease_id.to_string());
    let age = chrono::Utc::now().timestamp() - text("webhook-timestamp").parse::<i64>().unwrap();
    assert!((0..60).contains(&age));
    let key = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
    mac.update(format!("{}.{}.", text("webhook-id"), text("webhook-timestamp")).as_bytes());
    mac.update(&body);
    mac.verify_slice(&STANDARD.decode(text("webhook-signature").strip_prefix("v1,").unwrap()).unwrap())
        .unwrap();
}

#[tokio::test]
async fn good_answers_complete() {
    assert_eq!(answered((StatusCode::CREATED, axum::Json(json!([1])))).await, completed(json!([1])));
    assert_eq!(answered(StatusCode::NO_CONTENT).await, Outcome::Completed { result: None });
    assert_eq!(answered("done\0").await, completed(json!("done\\u0000")));
    let broken = failure(answered(([(header::CONTENT_TYPE, "application/json")], "{")).await);
    assert_eq!((broken.class.as_str(), broken.permanent), ("bad_result", false));
}

#[tokio::test]
async fn refusals_say_whether_another_attempt_helps() {
    let missing = failure(answered((StatusCode::NOT_FOUND, "no such customer")).await);
    assert_eq!((missing.class.as_str(), missing.permanent), ("http_status", true));
    assert_eq!(missing.message, "the URL answered 404 Not Found: no such customer");
    for status in
        [StatusCode::INTERNAL_SERVER_ERROR, StatusCode::TOO_MANY_REQUESTS, StatusCode::SERVICE_UNAVAILABLE]
    {
        assert!(!failure(answered(status).await).permanent, "{status}");
    }
    for (wanted, delay) in [("7", 7), ("0", 1), ("99999", 3600)] {
        let busy = answered((StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, wanted)])).await;
        assert_eq!(busy, Outcome::Snoozed { delay: Duration::from_secs(delay) });
    }
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let followed = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&followed);
    let router = Router::new()
        .route("/", post(async || Redirect::temporary("/elsewhere")))
        .route("/elsewhere", post(async move || count.fetch_add(1, Ordering::SeqCst).to_string()));
    let refused = failure(call(spec(serve(router).await)).await);
    assert_eq!((refused.class.as_str(), refused.permanent), ("redirect", true));
    assert!(refused.message.contains("`/elsewhere`"));
    assert_eq!(followed.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn private_addresses_are_refused_by_number_and_by_name() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    for host in ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]", "0.0.0.0"] {
        let url = Url::parse(&format!("http://{host}:{port}/")).unwrap();
        let refused = failure(call(UrlSpec::new(url)).await);
        assert_eq!(
            (refused.class.as_str(), refused.permanent),
            ("address_refused", true),
            "{host}: {refused:?}"
        );
        assert!(refused.message.contains("allow_private = true for kind resize"), "{refused:?}");
    }
    let nobody = tokio::time::timeout(Duration::from_millis(100), listener.accept()).await;
    assert!(nobody.is_err(), "no connection was made");
}

#[tokio::test]
async fn silence_ends_the_attempt_before_and_within_the_answer() {
    let idle_timeout = Duration::from_millis(200);
    let never = async || std::future::pending::<&str>().await;
    let address = serve(Router::new().route("/", post(never))).await;
    let slow = failure(call(UrlSpec { idle_timeout, ..spec(address) }).await);
    assert_eq!((slow.class.as_str(), slow.permanent), ("timeout", false));

    let drip = async || {
        let body = async_stream::stream! {
            for _ in 0..4 {
                yield Ok::<_, std::io::Error>("\n");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            std::future::pending::<()>().await;
        };
        ([(header::CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(body))
    };
    let address = serve(Router::new().route("/", post(drip))).await;
    let start = Instant::now();
    let slow = failure(call(UrlSpec { idle_timeout, ..spec(address) }).await);
    assert_eq!(slow.class, "timeout");
    assert!(start.elapsed() > Duration::from_millis(450), "each byte starts the time anew");
}

#[tokio::test]
async fn nobody_there_is_retried() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let refused = failure(call(spec(address)).await);
    assert_eq!((refused.class.as_str(), refused.permanent), ("connection", false));
    assert!(!refused.message.contains(&format!("http://{address}")), "the URL stays out of it: {refused:?}");
}

#[tokio::test]
async fn a_result_that_is_too_large_fails_for_good() {
    let address = serve(Router::new().route("/", post(async || "x".repeat(2000)))).await;
    let large = failure(call(UrlSpec { max_result_bytes: 1000, ..spec(address) }).await);
    assert_eq!((large.class.as_str(), large.permanent), ("result_too_large", true));
}

#[tokio::test]
async fn a_stop_drops_the_request() {
    let (came, mut has_come) = mpsc::channel(1);
    let handler = async move || {
        let (held, dropped) = oneshot::channel::<()>();
        came.send(dropped).await.unwrap();
        // Held by the server until the connection is closed.
        let _held = held;
        std::future::pending::<&str>().await
    };
    let kind = UrlKind::new(spec(serve(Router::new().route("/", post(handler))).await)).unwrap();
    let (context, probe) = Context::for_test(Attempt::for_test("resize", json!({})));
    let attempt = tokio::spawn(async move { kind.run(context).await });
    let dropped = in_time(has_come.recv()).await.unwrap();
    probe.stop(StopReason::Cancelled);
    let stopped = failure(outcome_of(in_time(attempt).await.unwrap()).0);
    assert_eq!(stopped.class, "stopped");
    in_time(dropped).await.expect_err("the server sees it go");
}

#[tokio::test]
async fn what_a_stream_said_before_a_stop_counts() {
    let lines = [
        ("{\"result\":7}\n", Some(json!(7))),
        ("{\"result\":null}\n", None),
        ("{\"log\":\"on it\"}\n", None),
    ];
    for (line, result) in lines {
        let handler = async move || {
            let body = format!("{{\"log\":\"ready\"}}\n{line}{{\"log\":\"said\"}}\n");
            let more = futures_util::stream::once(async { Ok::<_, std::io::Error>(body) });
            let more = futures_util::StreamExt::chain(more, futures_util::stream::pending());
            ([(header::CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(more))
        };
        let kind = UrlKind::new(spec(serve(Router::new().route("/", post(handler))).await)).unwrap();
        let (context, mut probe) = Context::for_test(Attempt::for_test("resize", json!({})));
        let attempt = tokio::spawn(async move { kind.run(context).await });
        in_time(probe.wait_for(|event| event.data["line"] == "said")).await;
        probe.stop(StopReason::Shutdown);
        match in_time(attempt).await.unwrap() {
            Ok(done) => assert_eq!((done.reported_done, done.result), (true, result), "{line}"),
            Err(error) => assert!(error.is_of("stopped") && line.contains("log"), "{line}: {error}"),
        }
    }
}

#[tokio::test]
async fn a_bad_spec_is_refused_with_what_is_wrong() {
    let url = Url::parse("http://example.org/").unwrap();
    let refused = |spec| UrlKind::new(spec).map(|_| ()).unwrap_err();
    assert!(matches!(
        refused(UrlSpec::new(Url::parse("ftp://example.org/").unwrap())),
        UrlSpecError::Address(_)
    ));
    let secret = Some("whsec_no base64".to_owned());
    assert!(matches!(refused(UrlSpec { secret, ..UrlSpec::new(url.clone()) }), UrlSpecError::Secret { .. }));
    let headers = BTreeMap::from([("a b".to_owned(), "c".to_owned())]);
    assert!(
        matches!(refused(UrlSpec { headers, ..UrlSpec::new(url) }), UrlSpecError::Header(name) if name == "a b")
    );
}
