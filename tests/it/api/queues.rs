//! Queues and workers: pause, resume, drain, purge, slots, and draining a worker.

use reqwest::Method;
use serde_json::{Value, json};

use super::server::{Answer, Server, on_a_server, text, until};

async fn patch(server: &Server, queue: &str, body: Value) -> Answer {
    server.send(server.request(Method::PATCH, &format!("/api/v1/queues/{queue}")).json(&body)).await
}

#[tokio::test]
async fn a_queue_is_paused_and_resumed() {
    on_a_server(|server| async move {
        server.get("/api/v1/queues/unseen").await.problem(404, "not-found");
        for _ in 0..2 {
            let queue = server.act("/api/v1/queues/unseen/pause").await.expect(200);
            assert_eq!((&queue["name"], &queue["paused_by"]), (&json!("unseen"), &json!("anonymous")));
        }
        assert_eq!(server.get("/api/v1/queues/unseen").await.expect(200)["running"], 0);
        server.enqueue(json!({"kind": "a", "queue": "unseen"})).await;
        let body = json!({"worker": "w", "kinds": ["a"], "queues": ["unseen"]});
        assert_eq!(server.post("/api/v1/worker/claim", body.clone()).await.expect(200)["jobs"], json!([]));
        let queue = server.act("/api/v1/queues/unseen/resume").await.expect(200);
        assert_eq!((&queue["paused_at"], &queue["available"]), (&Value::Null, &json!(1)));
        assert_eq!(
            server.post("/api/v1/worker/claim", body).await.expect(200)["jobs"].as_array().unwrap().len(),
            1
        );
        server.act("/api/v1/queues/a%20b/pause").await.problem(422, "invalid-request");
    })
    .await;
}

#[tokio::test]
async fn a_purge_cancels_what_does_not_run() {
    on_a_server(|server| async move {
        for _ in 0..5 {
            server.enqueue(json!({"kind": "a"})).await;
        }
        server.enqueue(json!({"kind": "a", "queue": "other"})).await;
        let running = server.claim("w", "a", 1).await.remove(0);
        assert_eq!(server.act("/api/v1/queues/default/purge").await.expect(200), json!({"purged": 4}));
        assert_eq!(server.act("/api/v1/queues/default/purge").await.expect(200), json!({"purged": 0}));
        assert_eq!(server.job(&running["id"]).await["state"], "running");
        let names: Vec<Value> = server.get("/api/v1/queues").await.expect(200)["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|queue| queue["name"].clone())
            .collect();
        assert_eq!(names, [json!("default"), json!("other")]);
    })
    .await;
}

#[tokio::test]
async fn slots_bound_what_a_remote_worker_holds() {
    on_a_server(|server| async move {
        assert_eq!(patch(&server, "default", json!({"slots": 2})).await.expect(200)["slots"], 2);
        for _ in 0..5 {
            server.enqueue(json!({"kind": "a"})).await;
        }
        assert_eq!(server.claim("w", "a", 10).await.len(), 2);
        let more = json!({"worker": "w", "kinds": ["a"], "max": 10});
        assert_eq!(server.post("/api/v1/worker/claim", more.clone()).await.expect(200)["jobs"], json!([]));
        assert_eq!(server.claim("v", "a", 10).await.len(), 2);
        assert_eq!(patch(&server, "default", json!({"slots": null})).await.expect(200)["slots"], Value::Null);
        assert_eq!(
            server.post("/api/v1/worker/claim", more).await.expect(200)["jobs"].as_array().unwrap().len(),
            1
        );
        for (body, field) in [
            (json!({}), ""),
            (json!({"slots": -1}), "/slots"),
            (json!({"slots": "2"}), "/slots"),
            (json!({"slots": 1, "speed": 2}), "/speed"),
            (json!({"per": "1h"}), "/per"),
        ] {
            let problem = patch(&server, "default", body).await.problem(422, "invalid-request");
            assert_eq!(problem["field"], field);
        }
    })
    .await;
}

#[tokio::test]
async fn a_drained_worker_learns_of_it_and_may_start_again() {
    on_a_server(|server| async move {
        let claim = json!({"worker": "w1", "kinds": ["a"], "queues": ["q"]});
        let answer = server.post("/api/v1/worker/claim", claim.clone()).await.expect(200);
        assert_eq!(answer, json!({"jobs": [], "drain": false}));
        let worker = server.get("/api/v1/workers").await.expect(200)["items"][0].clone();
        assert_eq!(
            (&worker["id"], &worker["state"], &worker["version"]),
            (&json!("w1"), &json!("running"), &json!("remote"))
        );
        assert_eq!((&worker["kinds"], &worker["queues"]), (&json!(["a"]), &json!({"q": 1})));
        assert_eq!(text(&worker["host"]), "127.0.0.1");
        server.act("/api/v1/workers/w1/drain").await.expect(200);
        server.act("/api/v1/workers/nobody/drain").await.problem(404, "not-found");
        server.enqueue(json!({"kind": "a", "queue": "q"})).await;
        assert_eq!(
            server.post("/api/v1/worker/claim", claim.clone()).await.expect(200),
            json!({"jobs": [], "drain": true})
        );
        let beat = json!({"worker": "w1", "leases": []});
        assert_eq!(server.post("/api/v1/worker/heartbeat", beat).await.expect(200)["drain"], true);
        // One that was silent for as long as its leases last is a new one.
        server.sql("update workers set seen_at = seen_at - interval '1 minute'").await;
        until("a new start", || async {
            server.post("/api/v1/worker/claim", claim.clone()).await.expect(200)["jobs"]
                .as_array()
                .unwrap()
                .len()
                == 1
        })
        .await;
    })
    .await;
}
