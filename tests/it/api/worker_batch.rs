//! Many ends of attempts in one request.

use serde_json::{Value, json};

use super::server::{on_a_server, text};

#[tokio::test]
async fn d4_batch_complete_with_outputs_of_each_and_mixed_results() {
    on_a_server(|server| async move {
        for n in 0..4 {
            server.enqueue(json!({"kind": "k", "args": {"n": n}})).await;
        }
        let jobs = server.claim("w", "k", 4).await;
        let end = |job: &Value, fields: Value| {
            let mut end = json!({"job_id": job["id"], "lease_id": job["lease_id"]});
            end.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
            end
        };
        let ends = json!({"ends": [
            end(&jobs[0], json!({"result": {"page": 1}})),
            end(&jobs[1], json!({"error": {"message": "no such page", "type": "missing"}, "permanent": true})),
            end(&jobs[2], json!({"lease_id": jobs[0]["lease_id"], "result": 1})),
            end(&jobs[3], json!({"result": 3})),
            end(&jobs[3], json!({"result": 3, "colour": "blue"})),
        ]});
        let first = server.post("/api/v1/worker/settle", ends.clone()).await.expect(200);
        let states: Vec<&Value> = first["results"].as_array().unwrap().iter().map(|end| &end["state"]).collect();
        assert_eq!(states, [&json!("completed"), &json!("failed"), &Value::Null, &json!("completed"), &Value::Null]);
        assert!(text(&first["results"][2]["problem"]["type"]).ends_with("/lease-lost"));
        assert_eq!(first["results"][2]["problem"]["field"], "/ends/2/lease_id");
        assert!(text(&first["results"][4]["problem"]["detail"]).contains("colour"), "{}", first["results"][4]);
        assert_eq!(server.job(&jobs[0]["id"]).await["result"], json!({"page": 1}));
        assert_eq!(server.job(&jobs[1]["id"]).await["error"]["type"], "missing");
        assert_eq!(server.job(&jobs[2]["id"]).await["state"], "running");
        let again = server.post("/api/v1/worker/settle", ends).await.expect(200);
        assert_eq!(again["results"][0]["state"], "completed", "each may be repeated");
        assert_eq!(again["results"][1]["state"], "failed");
        server.post("/api/v1/worker/settle", json!({"ends": []})).await.problem(422, "invalid-request");
    })
    .await;
}
