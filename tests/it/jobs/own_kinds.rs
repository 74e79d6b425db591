//! A team's own kinds behind the routes that its callers have: tasks, projects and crawls keep their shapes, whichever worker
//! does the work.

use futures_util::StreamExt;
use serde_json::json;
use tidemill::api::server::settings::ApiSettings;
use tokio_tungstenite::connect_async;

use crate::api::server::{on_a_server_of, text};

const TOML: &str = "[execute]\nkind = 'my.agent'\n[crawl]\nkind = 'my.crawl'\n\
                    [hub]\nstart_kind = 'dagger.start'\nstop_kind = 'dagger.stop'\n";

#[tokio::test]
async fn a_task_is_done_by_the_kind_that_the_config_names() {
    on_a_server_of(TOML, ApiSettings::default(), Vec::new(), |server| async move {
        let task = json!({ "task_description": "look", "session_data": { "url": "https://example.com" } });
        let accepted = server.post("/execute", task).await.expect(202);
        let job = server.job(&accepted["task_id"]).await;
        assert_eq!((&job["kind"], &job["queue"]), (&json!("my.agent"), &json!("default")));
        let status = server.get(text(&accepted["status_url"])).await.expect(200);
        assert_eq!(status["celery_state"], "PENDING");

        let claimed = server.claim("w", "my.agent", 1).await.remove(0);
        assert_eq!(claimed["args"]["task_description"], "look");
        let step = json!({ "percent": 50, "step": "clicking", "data": { "action": "click" } });
        server.word(&claimed, "progress", step).await;
        server.word(&claimed, "complete", json!({ "result": { "answer": "done" } })).await;
        let address = format!("ws://{}/ws/execution/{}", server.address, text(&accepted["execution_id"]));
        let (mut socket, _) = connect_async(address).await.unwrap();
        let mut frames = Vec::new();
        while let Some(Ok(message)) = socket.next().await {
            if let Ok(frame) =
                serde_json::from_str::<serde_json::Value>(message.to_text().unwrap_or_default())
            {
                frames.push(frame);
            }
        }
        let types: Vec<_> = frames.iter().map(|frame| text(&frame["type"])).collect();
        assert_eq!(types, ["step", "execution_completed"], "{frames:?}");
        assert_eq!(
            (&frames[0]["data"]["step"], &frames[0]["data"]["data"]["action"]),
            (&json!("clicking"), &json!("click"))
        );
        assert_eq!(frames[1]["data"]["result"]["answer"], "done");
    })
    .await;
}

#[tokio::test]
async fn a_project_is_started_and_stopped_by_kinds_of_ones_own() {
    on_a_server_of(TOML, ApiSettings::default(), Vec::new(), |server| async move {
        let start = server.post("/api/orchestration/42/start", json!({})).await.expect(200);
        let again = server.post("/api/orchestration/42/start", json!({})).await.expect(200);
        assert_eq!(start["task_id"], again["task_id"], "an unfinished start is the same task");
        let job = server.job(&start["task_id"]).await;
        assert_eq!((&job["kind"], &job["args"]), (&json!("dagger.start"), &json!({ "project": "42" })));
        let status =
            async || server.get(&format!("/task-status/{}", text(&start["task_id"]))).await.expect(200);
        assert_eq!(status().await["state"], "PENDING");
        let claimed = server.claim("w", "dagger.start", 1).await.remove(0);
        assert_eq!(status().await["state"], "BUILDING");
        let running = json!({ "percent": 90, "step": "up", "data": { "state": "RUNNING" } });
        server.word(&claimed, "progress", running).await;
        let seen = status().await;
        assert_eq!(
            (&seen["state"], &seen["progress"], &seen["status"]),
            (&json!("RUNNING"), &json!(90), &json!("up"))
        );
        // A stop cancels the start, and is the other kind's.
        let stop = server.post("/api/orchestration/42/stop", json!({})).await.expect(200);
        assert_eq!(server.job(&stop["task_id"]).await["kind"], "dagger.stop");
        assert!(server.job(&start["task_id"]).await["cancel_requested_at"].is_string());
        // Restarts and logs are still the hub's, which has no projects.
        server.post("/api/orchestration/42/restart", json!({})).await.problem(404, "project-not-found");
    })
    .await;
}

#[tokio::test]
async fn a_crawl_is_done_by_the_kind_that_the_config_names_and_has_its_session() {
    on_a_server_of(TOML, ApiSettings::default(), Vec::new(), |server| async move {
        let request = json!({ "base_url": "https://example.com", "session_id": "s" });
        let started = server.post("/api/crawl/start", request).await.expect(202);
        assert_eq!(server.job(&started["task_id"]).await["kind"], "my.crawl");
        let claimed = server.claim("w", "my.crawl", 1).await.remove(0);
        let data = json!({ "percent": 10, "data": { "pages_crawled": 4, "bugs_found": 2 } });
        server.word(&claimed, "progress", data).await;
        let session = server.get("/api/v1/sessions/s").await.expect(200);
        assert_eq!(
            (&session["status"], &session["pages_crawled"], &session["bugs_found"]),
            (&json!("running"), &json!(4), &json!(2))
        );
        server.word(&claimed, "complete", json!({ "result": null })).await;
        assert_eq!(server.get("/api/v1/sessions/s").await.expect(200)["status"], "completed");
    })
    .await;
}
