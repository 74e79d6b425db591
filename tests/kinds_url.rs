//! URL kinds against a server on this machine: what it is sent, and what its answers mean.

use std::collections::BTreeMap;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::post;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use tidemill::Context;
use tidemill::job::attempt::{Failure, Outcome, StopReason};
use tidemill::kinds::url::{UrlKind, UrlSpec, UrlSpecError};
use tidemill::outbound::ProxySettings;
use tidemill::worker::context::Attempt;
use tidemill::worker::handler::DynHandler;
use tidemill::worker::testing::{TestProbe, outcome_of};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use url::Url;

const DEADLINE: Duration = Duration::from_secs(30);

async fn in_time<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, work).await.expect("the deadline passed")
}

async fn serve(router: Router) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    address
}

fn spec(address: SocketAddr) -> UrlSpec {
    UrlSpec { allow_private: true, ..UrlSpec::new(Url::parse(&format!("http://{address}/")).unwrap()) }
}

async fn call_with(spec: UrlSpec, attempt: Attempt) -> (Outcome, TestProbe) {
    let (context, mut probe) = Context::for_test(attempt);
    let last = context.clone();
    let (outcome, usage) = outcome_of(in_time(UrlKind::new(spec).unwrap().run(context)).await);
    assert!(usage.is_empty());
    last.event("end_of_test", json!({})).await;
    in_time(probe.wait_for(|event| event.kind == "end_of_test")).await;
    (outcome, probe)
}

async fn call(spec: UrlSpec) -> Outcome {
    call_with(spec, Attempt::for_test("resize", json!({ "width": 3 }))).await.0
}

/// The end of an attempt whose call is answered with `answer`.
async fn answered(answer: impl IntoResponse + Clone + Send + Sync + 'static) -> Outcome {
    call(spec(serve(Router::new().route("/", post(async || answer))).await)).await
}

fn failure(outcome: Outcome) -> Failure {
    match outcome {
        Outcome::Failed { failure } => failure,
        other => panic!("not failed: {other:?}"),
    }
}

fn completed(result: Value) -> Outcome {
    Outcome::Completed { result: Some(result) }
}

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
async fn a_stream_is_obeyed_as_it_comes() {
    let (lines, stream) = mpsc::channel::<&str>(1);
    let stream = Arc::new(tokio::sync::Mutex::new(Some(stream)));
    let handler = async move || -> Response {
        let mut stream = stream.lock().await.take().unwrap();
        let body = async_stream::stream! {
            while let Some(line) = stream.recv().await {
                yield Ok::<_, std::io::Error>(line);
            }
        };
        ([(header::CONTENT_TYPE, "application/x-ndjson; charset=utf-8")], Body::from_stream(body))
            .into_response()
    };
    let kind = UrlKind::new(spec(serve(Router::new().route("/", post(handler))).await)).unwrap();
    let (context, mut probe) = Context::for_test(Attempt::for_test("resize", json!({})));
    let attempt = tokio::spawn(async move { kind.run(context).await });

    lines.send("{\"progress\":{\"percent\":30,\"st").await.unwrap();
    lines.send("ep\":\"half\"}}\n\n{\"log\":\"said\"}\nnonsense\n").await.unwrap();
    let progress = in_time(probe.wait_for(|event| event.kind == "progress")).await;
    assert_eq!(progress.data, json!({ "percent": 30.0, "step": "half" }));
    in_time(probe.wait_for(|event| event.data["stream"] == "url")).await;
    assert_eq!(probe.lines("log"), ["said"]);
    assert!(!attempt.is_finished());
    lines.send("{\"result\":{\"n\":1}}").await.unwrap();
    drop(lines);
    assert_eq!(outcome_of(in_time(attempt).await.unwrap()).0, completed(json!({ "n": 1 })));
}

#[tokio::test]
async fn a_stream_may_fail_or_break_off() {
    let ndjson = [(header::CONTENT_TYPE, "application/x-ndjson")];
    let named = failure(
        answered((ndjson.clone(), r#"{"error":{"message":"no","type":"t","permanent":true}}"#)).await,
    );
    assert_eq!((named.message.as_str(), named.class.as_str(), named.permanent), ("no", "t", true));

    let handler = async move || -> Response {
        let parts = [Ok("{\"result\":1}\n"), Err(std::io::Error::other("the server died"))];
        (ndjson, Body::from_stream(futures_util::stream::iter(parts))).into_response()
    };
    let broken = failure(call(spec(serve(Router::new().route("/", post(handler))).await)).await);
    assert_eq!((broken.class.as_str(), broken.permanent), ("connection", false));
}

/// The end of an attempt whose call is answered with a stream of no stated length, which ends with its connection.
async fn ended_by_close(body: impl Into<String>) -> Outcome {
    let body = body.into();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut client, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        // The call's body is the last of it, one object of JSON; what is left unread would reset the connection.
        while !request.ends_with(b"}") {
            assert!(client.read_buf(&mut request).await.unwrap() > 0, "the call broke off");
        }
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/x-ndjson\r\nconnection: close\r\n\r\n";
        client.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
        client.shutdown().await.unwrap();
    });
    call(spec(address)).await
}

#[tokio::test]
async fn a_stream_that_ends_in_the_middle_of_a_line_is_retried() {
    for body in ["{\"log\":\"on it\"}\n{\"resu", "{\"result\":1}\n{\"log\":\"al", "{\"result\":1"] {
        let broken = failure(ended_by_close(body).await);
        assert_eq!((broken.class.as_str(), broken.permanent), ("connection", false), "{body}: {broken:?}");
    }
    // The last line need not end with a line feed.
    for end in ["\n", "", "\r", "\n ", "\nbye"] {
        assert_eq!(ended_by_close(format!("{{\"result\":1}}{end}")).await, completed(json!(1)), "{end:?}");
    }
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

/// A proxy on loopback as companies have them: it finds names that nobody else knows, all at one address, and tells
/// what it was asked.
struct Forward {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Forward {
    async fn start(target: SocketAddr) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let all = asked.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(forward(client, target, all.clone()));
            }
        });
        Self { address, asked }
    }

    fn settings(&self, direct: &[&str]) -> ProxySettings {
        let url = Some(format!("http://ann:open@127.0.0.1:{}", self.address.port()));
        let direct = direct.iter().map(|&host| host.to_owned()).collect();
        ProxySettings { url, direct, ..ProxySettings::default() }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

async fn forward(mut client: TcpStream, target: SocketAddr, asked: Arc<Mutex<Vec<String>>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(byte) = client.read_u8().await else { return };
        head.push(byte);
    }
    let head = String::from_utf8(head).unwrap();
    let line = head.lines().next().unwrap().to_owned();
    // `ann:open`.
    let is_known = head.to_lowercase().contains("proxy-authorization: basic yw5uom9wzw4=");
    asked.lock().unwrap().push(format!("{line} {is_known}"));
    let mut server = TcpStream::connect(target).await.unwrap();
    if line.starts_with("CONNECT") {
        client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await.unwrap();
    } else {
        let asked = Url::parse(line.split(' ').nth(1).unwrap()).unwrap();
        let rest = head.split_once("\r\n").unwrap().1;
        let whole = format!("POST {}?{} HTTP/1.1\r\n{rest}", asked.path(), asked.query().unwrap_or_default());
        server.write_all(whole.as_bytes()).await.unwrap();
    }
    let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
}

fn through(proxy: ProxySettings, url: &str) -> UrlSpec {
    UrlSpec { proxy, ..UrlSpec::new(Url::parse(url).unwrap()) }
}

#[tokio::test]
async fn a_proxy_is_asked_by_name_and_private_addresses_stay_refused() {
    let address = serve(Router::new().route("/resize", post(async || axum::Json(json!("made"))))).await;
    let proxy = Forward::start(address).await;
    let outcome = call(through(proxy.settings(&[]), "http://only-the-proxy-knows.invalid/resize?a=1")).await;
    assert_eq!(outcome, completed(json!("made")));
    assert_eq!(proxy.asked(), ["POST http://only-the-proxy-knows.invalid/resize?a=1 HTTP/1.1 true"]);

    // The other end speaks no TLS; what matters is what the proxy was asked, and what is said of that.
    let secure = failure(call(through(proxy.settings(&[]), "https://only-the-proxy-knows.invalid/x")).await);
    assert_eq!((secure.class.as_str(), secure.permanent), ("connection", false), "{secure:?}");
    assert_eq!(proxy.asked()[1], "CONNECT only-the-proxy-knows.invalid:443 HTTP/1.1 true");
    assert!(!format!("{secure:?}").contains("open"), "{secure:?}");

    for private in [
        "http://10.1.2.3/",
        "http://127.0.0.1:1/",
        "http://localhost/",
        "https://a.localhost/x",
        "http://[::1]/",
    ] {
        let refused = failure(call(through(proxy.settings(&[]), private)).await);
        assert_eq!(refused.class, "address_refused", "{private}: {refused:?}");
    }
    assert_eq!(proxy.asked().len(), 2, "nothing of it came to the proxy");

    let port = address.port();
    for (direct, host) in
        [("127.0.0.0/8", "127.0.0.1"), ("localhost", "localhost"), ("*.localhost", "localhost")]
    {
        let settings = proxy.settings(&[direct]);
        let direct =
            UrlSpec { allow_private: true, ..through(settings, &format!("http://{host}:{port}/resize")) };
        assert!(matches!(call(direct).await, Outcome::Completed { .. }), "{host}");
        assert_eq!(proxy.asked().len(), 2, "what is named as direct is called directly");
    }
}
