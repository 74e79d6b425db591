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

#[tokio::test]
async fn steps_and_progress_are_stored_before_the_end_that_they_come_with() {
    on_a_server(|server| async move {
        for _ in 0..4 {
            server.enqueue(json!({"kind": "k"})).await;
        }
        let jobs = server.claim("w", "k", 4).await;
        let end = |job: &Value, fields: Value| {
            let mut end = json!({"job_id": job["id"], "lease_id": job["lease_id"]});
            end.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
            end
        };
        let steps = json!([{"name": "a", "output": 1}, {"name": "at", "output": 7, "replace": true}]);
        let ends = json!({"ends": [
            end(&jobs[0], json!({"steps": steps, "progress": {"percent": 80, "step": "packing"}, "result": 1})),
            end(&jobs[1], json!({"steps": steps, "progress": {"step": "again"}, "delay": 0})),
            end(&jobs[2], json!({"lease_id": jobs[0]["lease_id"], "steps": steps, "delay": "1h"})),
            end(&jobs[3], json!({"steps": [{"name": ""}], "result": 1})),
        ]});
        for _ in 0..2 {
            let answer = server.post("/api/v1/worker/settle", ends.clone()).await.expect(200);
            let results = &answer["results"];
            assert_eq!(results[0]["state"], "completed", "{answer}");
            assert_eq!(results[1]["state"], "available", "{answer}");
            assert!(text(&results[2]["problem"]["type"]).ends_with("/lease-lost"), "{answer}");
            assert_eq!(results[3]["problem"]["field"], "/ends/3/steps/0/name", "{answer}");
        }
        let steps_of = async |job: &Value| {
            let at = format!("/api/v1/jobs/{}/steps", text(&job["id"]));
            let steps = server.get(&at).await.expect(200)["items"].take();
            let steps = steps.as_array().unwrap().iter();
            steps.map(|step| format!("{}={}", text(&step["name"]), step["output"])).collect::<Vec<_>>()
        };
        assert_eq!(steps_of(&jobs[0]).await, ["a=1", "at=7"]);
        assert_eq!(steps_of(&jobs[1]).await, ["a=1", "at=7"]);
        assert!(steps_of(&jobs[2]).await.is_empty());
        assert_eq!(server.job(&jobs[0]["id"]).await["progress"]["step"], "packing");
        let put_off = server.job(&jobs[1]["id"]).await;
        assert_eq!((&put_off["attempt"], &put_off["progress"]["step"]), (&json!(0), &json!("again")));
        assert_eq!(server.job(&jobs[3]["id"]).await["state"], "running");
        let types: Vec<_> = server.events(&jobs[0]["id"]).await.into_iter().map(|(kind, _)| kind).collect();
        assert_eq!(types, ["step", "progress"], "in the log before its end");
    })
    .await;
}

#[tokio::test]
async fn a_claim_names_up_to_a_thousand_kinds() {
    on_a_server(|server| async move {
        server.enqueue(json!({"kind": "k.999"})).await;
        let claim = |most: usize| {
            let kinds: Vec<_> = (0..most).map(|number| format!("k.{number}")).collect();
            server.post("/api/v1/worker/claim", json!({"worker": "w", "kinds": kinds}))
        };
        assert_eq!(claim(1_000).await.expect(200)["jobs"][0]["kind"], "k.999");
        claim(1_001).await.problem(422, "invalid-request");
    })
    .await;
}
