//! Limits by REST: set, looked at, dropped, and kept by claims; bad ones are refused with the field.

use reqwest::Method;
use serde_json::{Value, json};

use super::server::{Answer, Server, on_a_server};

async fn put(server: &Server, name: &str, body: Value) -> Answer {
    server.send(server.request(Method::PUT, &format!("/api/v1/limits/{name}")).json(&body)).await
}

async fn claimed(server: &Server, queue: &str) -> usize {
    let body = json!({"worker": "w", "kinds": ["a"], "queues": [queue], "max": 100});
    let answer = server.post("/api/v1/worker/claim", body).await.expect(200);
    answer["jobs"].as_array().unwrap().len()
}

#[tokio::test]
async fn a_limit_per_key_is_set_kept_and_dropped() {
    on_a_server(|server| async move {
        let limit = put(&server, "tenant", json!({"max_running": 1})).await.expect(200);
        assert_eq!((&limit["max_running"], &limit["on_full"]), (&json!(1), &json!("queue")));
        for key in ["tenant:a", "tenant:a", "tenant:b"] {
            let job = server.enqueue(json!({"kind": "a", "concurrency_key": key})).await;
            assert_eq!((&job["state"], &job["concurrency_keys"]), (&json!("waiting"), &json!([key])));
        }
        assert_eq!(claimed(&server, "default").await, 2);
        assert_eq!(claimed(&server, "default").await, 0);
        assert_eq!(server.get("/api/v1/queues/default").await.expect(200)["waiting"], 1);
        server.send(server.request(Method::DELETE, "/api/v1/limits/tenant")).await.expect(204);
        server.send(server.request(Method::DELETE, "/api/v1/limits/tenant")).await.problem(404, "not-found");
        assert_eq!(claimed(&server, "default").await, 1);
    })
    .await;
}

#[tokio::test]
async fn a_queue_s_limits_are_changed_field_by_field() {
    on_a_server(|server| async move {
        let patch = |body: Value| {
            let request = server.request(Method::PATCH, "/api/v1/queues/default").json(&body);
            async { server.send(request).await }
        };
        let queue = patch(json!({"max_running": 2, "rate": 10, "per": "1h", "burst": 3})).await.expect(200);
        assert_eq!(
            (&queue["max_running"], &queue["rate"], &queue["per_seconds"], &queue["burst"]),
            (&json!(2), &json!(10), &json!(3600.0), &json!(3))
        );
        let queue = patch(json!({"priority_ageing": "10m", "max_running": 4})).await.expect(200);
        assert_eq!((&queue["rate"], &queue["priority_ageing_seconds"]), (&json!(10), &json!(600.0)));
        for _ in 0..9 {
            server.enqueue(json!({"kind": "a"})).await;
        }
        assert_eq!(claimed(&server, "default").await, 3, "the burst is the least of the three");
        let queue = patch(json!({"rate": null, "priority_ageing": null})).await.expect(200);
        assert_eq!(
            (&queue["rate"], &queue["max_running"], &queue["running"]),
            (&Value::Null, &json!(4), &json!(3))
        );
        assert_eq!(claimed(&server, "default").await, 1);
        patch(json!({"max_running": null})).await.expect(200);
        assert_eq!(claimed(&server, "default").await, 5);
        assert_eq!(server.get("/api/v1/limits").await.expect(200)["items"], json!([]));
    })
    .await;
}

#[tokio::test]
async fn limits_are_listed_by_name_page_after_page() {
    on_a_server(|server| async move {
        for name in ["c", "queue:q", "a", "b"] {
            put(&server, name, json!({"rate": 5, "per": "10s"})).await.expect(200);
        }
        let mut seen = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = server.get(&format!("/api/v1/limits?limit=3{cursor}")).await.expect(200);
            seen.extend(
                page["items"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|item| item["name"].as_str().unwrap().to_owned()),
            );
            let Some(next) = page["next_cursor"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        assert_eq!(seen, ["a", "b", "c", "queue:q"]);
    })
    .await;
}

#[tokio::test]
async fn a6_bad_limits_and_keys_are_refused_with_the_field() {
    on_a_server(|server| async move {
        for (body, field) in [
            (json!({}), "/max_running"),
            (json!({"max_running": -1}), "/max_running"),
            (json!({"rate": 0}), "/rate"),
            (json!({"max_running": 1, "per": "1h"}), "/per"),
            (json!({"rate": 1, "per": "0s"}), "/per"),
            (json!({"rate": 1, "burst": 0}), "/burst"),
            (json!({"rate": 1, "on_full": "cancel_newest"}), "/on_full"),
        ] {
            let problem = put(&server, "x", body.clone()).await.problem(422, "invalid-request");
            assert_eq!(problem["field"], field, "{body}");
        }
        put(&server, "x", json!({"max_running": 1, "unknown": 1})).await.problem(422, "invalid-request");
        put(&server, "a%20b", json!({"max_running": 1})).await.problem(422, "invalid-request");
        put(&server, "queue:x", json!({"max_running": 1, "on_full": "cancel_oldest"}))
            .await
            .problem(422, "invalid-request");
        for (key, field) in [
            (json!(""), "/concurrency_key"),
            (json!(7), "/concurrency_key"),
            (json!([]), "/concurrency_key"),
            (json!(["a", "b", "c", "d", "e"]), "/concurrency_key"),
            (json!(["a", 1]), "/concurrency_key/1"),
            (json!("a b:c"), "/concurrency_key"),
            (json!("a:\u{0}"), "/concurrency_key"),
        ] {
            let body = json!({"kind": "a", "concurrency_key": key});
            let problem = server.post("/api/v1/jobs", body).await.problem(422, "invalid-request");
            assert_eq!(problem["field"], field, "{key}");
        }
    })
    .await;
}
