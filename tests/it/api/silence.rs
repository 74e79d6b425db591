//! Connections to Postgres that go silent while new ones work, as after a failover whose old primary is cut off.

use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::json;
use tidemill::api::server::settings::ApiSettings;
use tidemill::job::event::EventDraft;
use tidemill::store::attempts::report::Reported;
use tidemill::store::{Options, Store};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::server::{start, text};
use crate::support::{Db, Proxy, wait_for};

/// Longer than any answer below may take by a clock, since machines that run tests are slow.
const RECOVERED_WITHIN: Duration = Duration::from_secs(12);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_api_and_its_viewers_go_on_within_seconds() {
    let db = Db::new().await;
    let proxy = Proxy::before(&db.options().url).await;
    let store = Store::connect(Options { url: proxy.url(&db.options().url), ..db.options() }).unwrap();
    let shutdown = CancellationToken::new();
    // The bound of the request is far away: it is not what helps.
    let settings = ApiSettings { request_timeout: Duration::from_mins(5), ..ApiSettings::default() };
    let server = start(store, settings, Vec::new(), shutdown.clone()).await;
    let job: Uuid =
        text(&server.post("/api/v1/jobs", json!({"kind": "k"})).await.expect(202)["id"]).parse().unwrap();
    let url = format!("/api/v1/jobs/{job}/events");
    let viewer =
        server.request(Method::GET, &url).header("Accept", "text/event-stream").send().await.unwrap();
    let mut frames = viewer.bytes_stream();
    let mut seen = String::new();
    while !seen.contains("event: snapshot") {
        seen += &String::from_utf8_lossy(&frames.next().await.unwrap().unwrap());
    }
    // All of a pool are open, and all go silent at once.
    join_all((0..10).map(|_| server.get("/api/v1/jobs"))).await;
    proxy.black_hole();
    proxy.heal_for_new();
    let began = Instant::now();
    let mut answers = Vec::new();
    loop {
        let answer = server.post("/api/v1/jobs", json!({"kind": "k"})).await;
        answers.push(answer.status);
        if answer.status == 202 {
            break;
        }
        answer.problem(503, "unavailable");
        assert!(began.elapsed() < RECOVERED_WITHIN, "{answers:?} after {:?}", began.elapsed());
    }
    let enqueued = began.elapsed();
    // Past the proxy, so that only the viewer's own connections count.
    let direct = Store::connect(db.options()).unwrap();
    direct.cancel(job, Some("enough"), "somebody").await.unwrap();
    while !seen.contains("event: cancelled") {
        let next = tokio::time::timeout(RECOVERED_WITHIN, frames.next()).await.expect("the viewer goes on");
        seen += &String::from_utf8_lossy(&next.unwrap().unwrap());
    }
    println!("the first job after {enqueued:?}, the end in a viewer after {:?}", began.elapsed());
    assert!(enqueued < RECOVERED_WITHIN && began.elapsed() < RECOVERED_WITHIN * 2);
    // The rest of the pool is not tried one by one.
    let began = Instant::now();
    for answer in join_all((0..20).map(|_| server.get("/api/v1/jobs"))).await {
        answer.expect(200);
    }
    assert!(began.elapsed() < RECOVERED_WITHIN, "{:?}", began.elapsed());
    shutdown.cancel();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_that_takes_long_is_not_taken_for_a_dead_connection() {
    let db = Db::new().await;
    let store = Store::connect(db.options()).unwrap();
    let slow = "select 1 as one from pg_sleep(6)";
    let one: i32 = sqlx::query_scalar(slow).fetch_one(store.pool()).await.unwrap();
    assert_eq!(one, 1);
    let mut transaction = store.pool().begin().await.unwrap();
    let one: i32 = sqlx::query_scalar(slow).fetch_one(transaction.connection()).await.unwrap();
    assert_eq!(one, 1);
    transaction.commit().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_worker_writes_goes_on_within_seconds() {
    let db = Db::new().await;
    let proxy = Proxy::before(&db.options().url).await;
    let store = Store::connect(Options { url: proxy.url(&db.options().url), ..db.options() }).unwrap();
    let job = db.running().await;
    let report = async || {
        let draft = EventDraft::new("log", json!({"stream": "stdout", "line": "a"}));
        let report = [Reported { job_id: job.id, lease_id: job.lease_id, draft }];
        store.report(Uuid::new_v4(), &report).await
    };
    report().await.unwrap();
    proxy.black_hole();
    proxy.heal_for_new();
    let began = Instant::now();
    let error = report().await.unwrap_err();
    assert!(error.is_transient(), "{error}");
    wait_for("it is stored", async || report().await.ok().map(|_| ())).await;
    assert!(began.elapsed() < RECOVERED_WITHIN, "{:?}", began.elapsed());
}
