//! Calls a URL as an attempt, against a server that answers as a test wants.

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::response::IntoResponse;
use axum::routing::post;
use serde_json::{Value, json};
use tidemill::Context;
use tidemill::job::attempt::{Failure, Outcome};
use tidemill::kinds::url::{UrlKind, UrlSpec};
use tidemill::worker::context::Attempt;
use tidemill::worker::handler::DynHandler;
use tidemill::worker::testing::{TestProbe, outcome_of};
use url::Url;

pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

pub(crate) async fn in_time<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, work).await.expect("the deadline passed")
}

pub(crate) async fn serve(router: Router) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    address
}

pub(crate) fn spec(address: SocketAddr) -> UrlSpec {
    UrlSpec { allow_private: true, ..UrlSpec::new(Url::parse(&format!("http://{address}/")).unwrap()) }
}

pub(crate) async fn call_with(spec: UrlSpec, attempt: Attempt) -> (Outcome, TestProbe) {
    let (context, mut probe) = Context::for_test(attempt);
    let last = context.clone();
    let (outcome, usage) = outcome_of(in_time(UrlKind::new(spec).unwrap().run(context)).await);
    assert!(usage.is_empty());
    last.event("end_of_test", json!({})).await;
    in_time(probe.wait_for(|event| event.kind == "end_of_test")).await;
    (outcome, probe)
}

pub(crate) async fn call(spec: UrlSpec) -> Outcome {
    call_with(spec, Attempt::for_test("resize", json!({ "width": 3 }))).await.0
}

/// The end of an attempt whose call is answered with `answer`.
pub(crate) async fn answered(answer: impl IntoResponse + Clone + Send + Sync + 'static) -> Outcome {
    call(spec(serve(Router::new().route("/", post(async || answer))).await)).await
}

pub(crate) fn failure(outcome: Outcome) -> Failure {
    match outcome {
        Outcome::Failed { failure } => failure,
        other => panic!("not failed: {other:?}"),
    }
}

pub(crate) fn completed(result: Value) -> Outcome {
    Outcome::Completed { result: Some(result) }
}
