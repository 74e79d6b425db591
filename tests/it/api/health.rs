//! /healthz, /readyz and /metrics, and the description of the API.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::json;
use tidemill::api::server::auth::api_key::Scope;
use tidemill::api::server::settings::ApiSettings;
use tidemill::api::state::Probe;
use tidemill::maintenance;
use tidemill::maintenance::MaintenanceSettings;
use tidemill::store::db::notifier::Notifier;
use tidemill::{Options, Store};
use tokio_util::sync::CancellationToken;

use super::server::{on_a_server, on_a_server_with, start, text};
use crate::support::{Db, Proxy, wait_for};

#[tokio::test]
async fn ready_means_that_every_part_is() {
    let claims = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&claims);
    let probe: Probe =
        Arc::new(
            move || if seen.load(Ordering::SeqCst) { Ok(()) } else { Err("the worker did not claim".into()) },
        );
    on_a_server_with(ApiSettings::default(), vec![probe], |server| async move {
        assert_eq!(server.get("/healthz").await.expect(200), json!({"status": "alive"}));
        let problem = server.get("/readyz").await.problem(503, "unavailable");
        assert_eq!(problem["checks"], json!([{"name": "process", "reason": "the worker did not claim"}]));
        claims.store(true, Ordering::SeqCst);
        assert_eq!(server.get("/readyz").await.expect(200), json!({"status": "ready"}));
        server.sql("delete from refinery_schema_history").await;
        let problem = server.get("/readyz").await.problem(503, "unavailable");
        assert!(text(&problem["detail"]).contains("tidemill migrate"), "{problem}");
        server.store.close().await;
        let problem = server.get("/readyz").await.problem(503, "unavailable");
        assert_eq!(problem["checks"][0]["name"], "database");
        assert_eq!(server.get("/healthz").await.status, 200);
    })
    .await;
}

#[tokio::test]
async fn metrics_show_levels_and_counts() {
    on_a_server(|server| async move {
        server.enqueue(json!({"kind": "a"})).await;
        server.enqueue(json!({"kind": "a"})).await;
        server.claim("w", "a", 1).await;
        let answer = server.get("/metrics").await;
        assert!(answer.headers["content-type"].to_str().unwrap().starts_with("text/plain"));
        let body = answer.expect(200);
        for line in [
            "tidemill_queue_available_jobs{queue=\"default\"} 1",
            "tidemill_queue_running_jobs{queue=\"default\"} 1",
            "tidemill_workers{state=\"running\"} 1",
            "tidemill_database_up 1",
            "tidemill_jobs_enqueued_total 2",
            "tidemill_jobs_claimed_total 1",
            "tidemill_http_requests_total{method=\"POST\",route=\"/api/v1/jobs\",status=\"202\"} 2",
        ] {
            assert!(text(&body).lines().any(|found| found == line), "{line} is not in\n{body}");
        }
    })
    .await;
}

#[tokio::test]
async fn attempts_are_counted_and_measured_by_kind_and_queue_also_those_that_were_lost() {
    on_a_server(|server| async move {
        for kind in ["done", "tried", "lost"] {
            server.enqueue(json!({"kind": kind})).await;
        }
        server.sql("update jobs_live set run_at = run_at - interval '40 s'").await;
        let done = server.claim("w", "done", 1).await.remove(0);
        let tried = server.claim("w", "tried", 1).await.remove(0);
        let lost = server.claim("v", "lost", 1).await.remove(0);
        server.sql("update jobs_live set started_at = started_at - interval '20 s'").await;
        server.word(&done, "complete", json!({})).await.expect(200);
        server.word(&tried, "fail", json!({"error": {"message": "no"}})).await.expect(200);
        let expired = "update running set lease_expires_at = now() - interval '1 h', seen_at = seen_at - interval '1 h'";
        server.sql(&format!("{expired} where job_id = '{}'", text(&lost["id"]))).await;
        let stop = CancellationToken::new();
        let _stopped = stop.clone().drop_guard();
        let wakes = server.store.listen(stop.clone());
        let metrics = server.state.metrics.clone();
        let settings = MaintenanceSettings::default();
        tokio::spawn(maintenance::run(server.store.clone(), Notifier::default(), metrics, wakes, settings, stop));
        let body = wait_for("the lost attempt is counted", async || {
            let body = text(&server.get("/metrics").await.expect(200)).to_owned();
            body.contains("tidemill_jobs_retried_total 2\n").then_some(body)
        })
        .await;
        for (kind, outcome) in [("done", "completed"), ("tried", "retried"), ("lost", "retried")] {
            let labels = format!("kind=\"{kind}\",queue=\"default\"");
            for line in [
                format!("tidemill_job_wait_seconds_bucket{{{labels},le=\"30\"}} 0"),
                format!("tidemill_job_wait_seconds_bucket{{{labels},le=\"60\"}} 1"),
                format!("tidemill_attempt_duration_seconds_bucket{{{labels},le=\"10\"}} 0"),
                format!("tidemill_attempt_duration_seconds_bucket{{{labels},le=\"60\"}} 1"),
                format!("tidemill_attempts_total{{kind=\"{kind}\",outcome=\"{outcome}\",queue=\"default\"}} 1"),
            ] {
                assert!(body.lines().any(|found| found == line), "{line} is not in\n{body}");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn metrics_stay_readable_while_the_database_is_away() {
    let db = Db::new().await;
    let proxy = Proxy::before(&db.options().url).await;
    let store = Store::connect(Options { url: proxy.url(&db.options().url), ..db.options() }).unwrap();
    let shutdown = CancellationToken::new();
    let server = start(store, ApiSettings::default(), Vec::new(), shutdown.clone()).await;
    let key = server.make_key("scraper", &[Scope::Read]).await;
    let scrape = async || {
        let request = server.request(Method::GET, "/metrics").bearer_auth(key.reveal());
        text(&server.send(request).await.expect(200)).to_owned()
    };
    assert!(scrape().await.contains("\ntidemill_database_up 1\n"));
    proxy.black_hole();
    let began = Instant::now();
    let mut found = String::new();
    // Far longer than a key is believed elsewhere.
    while began.elapsed() < Duration::from_secs(6) {
        let asked = Instant::now();
        found = scrape().await;
        assert!(asked.elapsed() < Duration::from_secs(8), "a scrape took {:?}", asked.elapsed());
    }
    assert!(found.contains("\ntidemill_database_up 0\n"), "{found}");
    assert!(found.contains("\ntidemill_http_requests_total{"), "{found}");
    let request = server.request(Method::GET, "/api/v1/queues").bearer_auth(key.reveal());
    server.send(request).await.problem(503, "unavailable");
    proxy.heal_for_new();
    wait_for("the database is back", async || {
        scrape().await.contains("\ntidemill_database_up 1\n").then_some(())
    })
    .await;
    shutdown.cancel();
}

#[tokio::test]
async fn the_page_and_the_description_are_served() {
    on_a_server(|server| async move {
        let page = server.get("/").await;
        assert!(page.headers["content-type"].to_str().unwrap().starts_with("text/html"));
        assert!(page.headers.contains_key("content-security-policy"));
        page.expect(200);
        let api = server.get("/api/v1/openapi.json").await.expect(200);
        assert!(text(&api["openapi"]).starts_with("3.1"));
        assert_eq!(api["info"]["title"], "Tidemill");
        server.get("/docs").await.expect(200);
        server.get("/nowhere").await.problem(404, "not-found");
    })
    .await;
}
