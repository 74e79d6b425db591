//! Sessions: begun with their job or not at all, read by REST and SQL, fenced by the lease, and gone after their time.

use serde_json::json;
use sqlx::AssertSqlSafe;
use std::time::Duration;

use tidemill::job::session::{SessionNote, SessionStatus};
use tidemill::kinds::bughive::CLEANUP;

use crate::mill::{Kit, Mill, ended, job, nothing};
use crate::server::on_a_server;
use crate::support::Db;

fn note(status: SessionStatus, ttl: Duration) -> SessionNote {
    let base_url = "https://a.test/".to_owned();
    SessionNote { base_url, status, pages_crawled: 3, bugs_found: 1, error: None, ttl }
}

const DAY: Duration = Duration::from_hours(24);

#[tokio::test]
async fn a_crawl_is_started_with_one_request() {
    on_a_server(|server| async move {
        let request = json!({ "base_url": "https://example.com", "max_pages": 10, "max_depth": 3 });
        let started = server.post("/api/crawl/start", request).await.expect(202);
        let session_id = started["session_id"].as_str().unwrap();
        let job = server.job(&started["task_id"]).await;
        assert_eq!((&job["kind"], &job["queue"]), (&json!("crawl.session"), &json!("crawl")));
        let args = json!({ "session_id": session_id, "base_url": "https://example.com", "max_pages": 10, "max_depth": 3 });
        assert_eq!((&job["args"], &job["metadata"]), (&args, &json!({ "session_id": session_id })));
        let session = server.get(&format!("/api/v1/sessions/{session_id}")).await.expect(200);
        assert_eq!((&session["status"], &session["task_id"]), (&json!("queued"), &started["task_id"]));
        assert_eq!((&session["pages_crawled"], &session["bugs_found"]), (&json!(0), &json!(0)));

        // A name is one job's.
        let named = json!({ "base_url": "https://example.com", "session_id": session_id });
        server.post("/api/crawl/start", named).await.problem(422, "invalid-request");
        let jobs = server.get("/api/v1/jobs?kind=crawl.session").await.expect(200);
        assert_eq!(jobs["items"].as_array().map(Vec::len), Some(1), "the second was not stored");
        for (bad, field) in [
            (json!({ "base_url": "example.com" }), "/base_url"),
            (json!({ "base_url": "https://user@example.com" }), "/base_url"),
            (json!({ "base_url": format!("https://example.com/{}", "x".repeat(2_000)) }), "/base_url"),
            (json!({ "base_url": "https://example.com", "max_pages": 0 }), "/max_pages"),
            (json!({ "base_url": "https://example.com", "max_depth": 1000 }), "/max_depth"),
            (json!({ "base_url": "https://example.com", "delay_seconds": -1 }), "/delay_seconds"),
            (json!({ "base_url": "https://example.com", "session_id": "" }), "/session_id"),
        ] {
            let problem = server.post("/api/crawl/start", bad.clone()).await.problem(422, "invalid-request");
            assert_eq!(problem["field"], field, "{bad}");
        }
        server.post("/api/crawl/start", json!({ "base_url": "https://x.test", "pages": 1 })).await.problem(422, "invalid-request");
        server.get("/api/v1/sessions/nobody").await.problem(404, "not-found");
    })
    .await;
}

#[tokio::test]
async fn only_the_holder_of_the_lease_writes() {
    let db = Db::new().await;
    let claimed = db.running().await;
    let held = (claimed.id, claimed.lease_id);
    let running = note(SessionStatus::Running, DAY);
    assert!(!db.note_session((claimed.id, uuid::Uuid::new_v4()), "s", &running).await.unwrap());
    assert_eq!(db.session("s").await.unwrap(), None);
    assert!(db.note_session(held, "s", &running).await.unwrap());
    let session = db.session("s").await.unwrap().unwrap();
    assert_eq!((session.status.as_str(), session.pages_crawled, session.task_id), ("running", 3, claimed.id));
    let hours = (session.expires_at - session.updated_at).num_minutes();
    assert!((23 * 60..=24 * 60).contains(&hours), "a day: {hours} minutes");

    let other = db.running().await;
    let refused = db.note_session((other.id, other.lease_id), "s", &running).await;
    assert!(refused.unwrap_err().to_string().contains("another job"));

    // A worker that died says nothing any more; the job knows.
    db.execute(format!("select settle_attempt('{}', '{}', 'failed', '{{\"message\": \"it broke\", \"type\": \"x\", \"permanent\": true}}')", held.0, held.1)).await;
    let session = db.session("s").await.unwrap().unwrap();
    assert_eq!((session.status.as_str(), session.error.as_deref()), ("failed", Some("it broke")));
    let seen: Vec<(String, String)> = db.rows("select id, status from session_status").await;
    assert_eq!(seen, [("s".to_owned(), "failed".to_owned())]);
}

#[tokio::test]
async fn old_sessions_are_removed_and_young_ones_are_not() {
    let db = Db::new().await;
    let claimed = db.running().await;
    let held = (claimed.id, claimed.lease_id);
    for (name, ttl) in [("old", Duration::ZERO), ("young", DAY)] {
        assert!(db.note_session(held, name, &note(SessionStatus::Running, ttl)).await.unwrap());
    }
    assert_eq!(db.session("old").await.unwrap(), None, "over its time, though not removed yet");
    assert_eq!(db.count("sessions").await, 2);
    let mill = Mill::start(&db.store, &Kit::default());
    let done = ended(&db, db.enqueue(job(CLEANUP, "default", nothing())).await).await;
    assert_eq!(done.result, Some(json!({ "removed": 1 })));
    let left: Vec<String> =
        sqlx::query_scalar(AssertSqlSafe("select id from sessions")).fetch_all(db.pool()).await.unwrap();
    assert_eq!(left, ["young"]);
    mill.stop().await;
}
