//! A stop is no success, of remote workers either; and what they report is stored in the order in which they said it.

use serde_json::{Value, json};

use super::server::on_a_server;

#[tokio::test]
async fn an_attempt_that_ends_without_a_result_after_a_cancel_is_cancelled() {
    on_a_server(|server| async move {
        for (body, state) in [
            (json!({}), "cancelled"),
            (json!({"result": null}), "completed"),
            (json!({"result": 7}), "completed"),
        ] {
            let job = server.enqueue(json!({"kind": "k"})).await;
            let taken = server.claim("w", "k", 1).await.remove(0);
            server.act(&format!("/api/v1/jobs/{}/cancel", job["id"].as_str().unwrap())).await;
            let answer = server.word(&taken, "complete", body.clone()).await.expect(200);
            assert_eq!(answer, json!({"state": state}), "{body}");
            // Said again it is answered as the first time.
            assert_eq!(server.word(&taken, "complete", body.clone()).await.expect(200), answer, "{body}");
            let final_state = server.job(&job["id"]).await;
            assert_eq!(
                (&final_state["state"], &final_state["result"]),
                (&json!(state), &body["result"]),
                "{body}"
            );
        }
        let job = server.enqueue(json!({"kind": "k"})).await;
        let taken = server.claim("w", "k", 1).await.remove(0);
        let answer = server.word(&taken, "complete", json!({})).await.expect(200);
        assert_eq!(answer, json!({"state": "completed"}), "nobody asked it to stop");
        assert_eq!(server.word(&taken, "complete", json!({})).await.expect(200), answer);
        assert_eq!(server.job(&job["id"]).await["state"], "completed");
    })
    .await;
}

#[tokio::test]
async fn an_attempt_that_ends_without_a_result_after_its_soft_timeout_is_timed_out() {
    on_a_server(|server| async move {
        for (body, state) in [(json!({}), "failed"), (json!({"result": null}), "completed")] {
            let job = json!({"kind": "k", "soft_timeout": "1h", "max_attempts": 1});
            let job = server.enqueue(job).await;
            let taken = server.claim("w", "k", 1).await.remove(0);
            server.sql("update running set soft_at = now() - interval '1 hour'").await;
            let answer = server.word(&taken, "complete", body.clone()).await.expect(200);
            assert_eq!(answer, json!({"state": state}), "{body}");
            assert_eq!(server.word(&taken, "complete", body.clone()).await.expect(200), answer, "{body}");
            let final_state = server.job(&job["id"]).await;
            assert_eq!(final_state["state"], state);
            let class = if state == "failed" { json!("timeout") } else { Value::Null };
            assert_eq!(final_state["error"]["type"], class, "{body}");
        }
    })
    .await;
}

#[tokio::test]
async fn the_same_holds_for_many_ends_at_once() {
    on_a_server(|server| async move {
        let mut ids = Vec::new();
        for _ in 0..4 {
            ids.push(server.enqueue(json!({"kind": "k"})).await["id"].clone());
        }
        let taken = server.claim("w", "k", 4).await;
        for job in &taken[..3] {
            server.act(&format!("/api/v1/jobs/{}/cancel", job["id"].as_str().unwrap())).await;
        }
        let end = |job: &Value, mut fields: Value| {
            fields["job_id"] = job["id"].clone();
            fields["lease_id"] = job["lease_id"].clone();
            fields
        };
        let ends = json!({"ends": [
            end(&taken[0], json!({})),
            end(&taken[1], json!({"result": 1})),
            end(&taken[2], json!({"error": {"message": "stopped"}})),
            end(&taken[3], json!({})),
        ]});
        for _ in 0..2 {
            let answer = server.post("/api/v1/worker/settle", ends.clone()).await.expect(200);
            let states: Vec<_> =
                answer["results"].as_array().unwrap().iter().map(|end| end["state"].clone()).collect();
            assert_eq!(states, ["cancelled", "completed", "cancelled", "completed"]);
        }
        assert_eq!(ids.len(), 4);
    })
    .await;
}

#[tokio::test]
async fn reports_are_stored_in_the_order_in_which_they_were_said() {
    on_a_server(|server| async move {
        let job = server.enqueue(json!({"kind": "k"})).await;
        let taken = server.claim("w", "k", 1).await.remove(0);
        let mut expected = Vec::new();
        for n in 1..=8 {
            server.word(&taken, "progress", json!({"percent": n})).await.expect(200);
            server.word(&taken, "step", json!({"name": format!("s{n}"), "output": n})).await.expect(200);
            server.word(&taken, "log", json!({"lines": ["one", "two"]})).await.expect(200);
            expected.extend(["progress", "step", "log", "log"]);
        }
        server.word(&taken, "complete", json!({})).await.expect(200);
        let events = server.events(&job["id"]).await;
        let events: Vec<_> = events.iter().map(|(kind, _)| kind.as_str()).collect();
        assert_eq!(events, expected);
    })
    .await;
}
