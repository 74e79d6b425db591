//! Sessions: started with their job or not at all, read as the job in other words, and gone after their time.

use chrono::{Days, Utc};
use serde_json::json;
use tidemill::api::server::settings::ApiSettings;
use tidemill_browser::bughive::CLEANUP;

use crate::mill::{Kit, Mill, crawl, ended, job, nothing};
use crate::server::{on_a_server, on_a_server_of};
use crate::support::Db;

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
async fn a_session_is_its_job_in_other_words() {
    on_a_server(|server| async move {
        let request = json!({ "base_url": "https://example.com", "session_id": "s" });
        let started = server.post("/api/crawl/start", request).await.expect(202);
        let session = async || server.get("/api/v1/sessions/s").await.expect(200);
        assert_eq!(session().await["base_url"], "https://example.com");
        let claim = json!({ "worker": "w", "kinds": ["crawl.session"], "queues": ["crawl"] });
        let claimed = server.post("/api/v1/worker/claim", claim).await.expect(200)["jobs"][0].clone();
        assert_eq!((&claimed["id"], &claimed["execution_id"]), (&started["task_id"], &json!("s")));
        assert_eq!(session().await["status"], "starting");
        let data =
            json!({ "percent": 30, "step": "crawling", "data": { "pages_crawled": 3, "bugs_found": 1 } });
        server.word(&claimed, "progress", data).await;
        let running = session().await;
        assert_eq!(
            (&running["status"], &running["pages_crawled"], &running["bugs_found"], &running["error"]),
            (&json!("running"), &json!(3), &json!(1), &json!(null))
        );
        let time =
            |name: &str| chrono::DateTime::parse_from_rfc3339(running[name].as_str().unwrap()).unwrap();
        assert_eq!((time("expires_at") - time("updated_at")).num_hours(), 24);
        let error = json!({ "error": { "message": "it broke", "type": "x" }, "permanent": true });
        server.word(&claimed, "fail", error).await;
        let failed = session().await;
        assert_eq!((&failed["status"], &failed["error"]), (&json!("failed"), &json!("it broke")));
        assert_eq!(failed["pages_crawled"], 3);

        // A crawl without a name has that of its job.
        let unnamed =
            json!({ "kind": "crawl.session", "args": { "config": { "base_url": "https://b.test" } } });
        let job = server.post("/api/v1/jobs", unnamed).await.expect(202);
        let path = format!("/api/v1/sessions/{}", job["id"].as_str().unwrap());
        let session = server.get(&path).await.expect(200);
        assert_eq!((&session["status"], &session["base_url"]), (&json!("queued"), &json!("https://b.test")));
        // And what is no crawl is no session.
        let other = server
            .post("/api/v1/jobs", json!({ "kind": "other", "execution_id": "other" }))
            .await
            .expect(202);
        server.get("/api/v1/sessions/other").await.problem(404, "not-found");
        server
            .get(&format!("/api/v1/sessions/{}", other["id"].as_str().unwrap()))
            .await
            .problem(404, "not-found");
    })
    .await;
}

#[tokio::test]
async fn the_name_of_an_expired_session_is_free_again() {
    let toml = "[bughive]\nsession_ttl = '1m'";
    on_a_server_of(toml, ApiSettings::default(), Vec::new(), |server| async move {
        let request = json!({ "base_url": "https://example.com", "session_id": "s" });
        let old = server.post("/api/crawl/start", request.clone()).await.expect(202);
        let path = format!("/api/v1/jobs/{}", old["task_id"].as_str().unwrap());
        server.post(&format!("{path}/cancel"), json!({})).await.expect(200);
        let session = server.get("/api/v1/sessions/s").await.expect(200);
        assert_eq!(
            (&session["status"], &session["error"]),
            (&json!("failed"), &json!("the job was cancelled"))
        );
        server.sql("update jobs set finished_at = finished_at - interval '2 minutes'").await;
        server.get("/api/v1/sessions/s").await.problem(404, "not-found");
        let new = server.post("/api/crawl/start", request).await.expect(202);
        assert_ne!(new["task_id"], old["task_id"]);
        server.get(&path).await.problem(404, "job-not-found");
        assert_eq!(server.get("/api/v1/sessions/s").await.expect(200)["status"], "queued");
    })
    .await;
}

#[tokio::test]
async fn old_crawls_are_removed_and_nothing_else() {
    let db = Db::new().await;
    let mill = Mill::start(&db.store, &Kit::default());
    let bad = json!({ "base_url": "no address" });
    let (old, young) = (db.enqueue(crawl(bad.clone())).await, db.enqueue(crawl(bad)).await);
    for id in [old, young] {
        ended(&db, id).await;
    }
    let other = ended(&db, db.enqueue(job(CLEANUP, "default", nothing())).await).await;
    assert_eq!(other.result, Some(json!({ "removed": 0 })));
    // In the first hour of a day that is the day before yesterday, which a new schema does not have.
    let yesterday = Utc::now().date_naive() - Days::new(1);
    let before = yesterday - Days::new(1);
    db.execute(format!(
        "create table jobs_earlier partition of jobs_finished for values from ('{before}') to ('{yesterday}')"
    ))
    .await;
    db.execute(format!(
        "update jobs set finished_at = finished_at - interval '25 hours' where id in ('{old}', '{}')",
        other.id
    ))
    .await;
    let done = ended(&db, db.enqueue(job(CLEANUP, "default", nothing())).await).await;
    assert_eq!(done.result, Some(json!({ "removed": 1 })));
    assert!(db.find_job(old).await.unwrap().is_none());
    assert!(db.find_job(young).await.unwrap().is_some() && db.find_job(other.id).await.unwrap().is_some());
    mill.stop().await;
}
