//! Workflows by REST: enqueued, looked at, cancelled, retried; what is wrong with them is said with its place.

use serde_json::{Value, json};

use super::server::{on_a_server, text};

fn import() -> Value {
    json!({
        "name": "import", "execution_id": "import-1", "tags": ["nightly"],
        "jobs": [
            {"name": "login", "kind": "a", "args": {"n": 1}},
            {"name": "pages", "group": [{"kind": "a", "priority": "high"}, {"kind": "a", "delay": "1h"}], "after": ["login"]},
            {"name": "report", "kind": "a", "after": [{"job": "pages", "as": "pages"}]},
            {"name": "tidy", "kind": "a", "after": ["login", "report"], "run_if": "any_failed"}
        ]
    })
}

#[tokio::test]
async fn a_workflow_is_enqueued_looked_at_cancelled_and_retried() {
    on_a_server(|server| async move {
        let job = server.post("/api/v1/workflows", import()).await.expect(202);
        assert_eq!(
            (&job["kind"], &job["status"], &job["tags"]),
            (&json!("tidemill.workflow"), &json!("waiting"), &json!(["nightly"]))
        );
        let path = format!("/api/v1/workflows/{}", text(&job["id"]));
        let shown = server.get(&path).await.expect(200);
        assert_eq!(
            (&shown["name"], &shown["members"], &shown["done"]),
            (&json!("import"), &json!(4), &json!(0))
        );
        let jobs = shown["jobs"].as_array().unwrap();
        let brief: Vec<_> =
            jobs.iter().map(|job| (text(&job["name"]), text(&job["status"]), &job["after"])).collect();
        assert_eq!(brief[0], ("login", "available", &json!([])));
        assert_eq!(brief[2], ("report", "waiting", &json!(["pages"])));
        assert_eq!(jobs[3]["run_if"], "any_failed");
        let pages = server.get(&format!("/api/v1/workflows/{}", text(&jobs[1]["id"]))).await.expect(200);
        assert_eq!(pages["jobs"].as_array().unwrap().len(), 2);
        assert_eq!(server.get("/api/v1/workflows").await.expect(200)["items"].as_array().unwrap().len(), 1);
        let members = server.get(&format!("/api/v1/jobs?workflow={}", text(&job["id"]))).await.expect(200);
        assert_eq!(members["items"].as_array().unwrap().len(), 4);

        server.act("/api/v1/workflows/execution:import-1/cancel").await.expect(202);
        super::server::until("it is cancelled", || async {
            server.state.store.resolve().await.unwrap();
            server.get(&path).await.expect(200)["status"] == "cancelled"
        })
        .await;
        let again = server.act(&format!("{path}/retry")).await.expect(200);
        assert_eq!(again["state"], "waiting");
        assert_eq!(server.get(&path).await.expect(200)["jobs"][0]["status"], "available");
    })
    .await;
}

#[tokio::test]
async fn a_keyed_workflow_is_enqueued_once() {
    on_a_server(|server| async move {
        let mut workflow = import();
        workflow.as_object_mut().unwrap().remove("execution_id");
        let first = server.keyed("/api/v1/workflows", "k", workflow.clone()).await.expect(202);
        assert_eq!(server.keyed("/api/v1/workflows", "k", workflow).await.expect(202), first);
        let other = server.keyed("/api/v1/workflows", "k", json!({"group": []})).await;
        other.problem(409, "idempotency-key-reused");
        assert_eq!(server.get("/api/v1/workflows").await.expect(200)["items"].as_array().unwrap().len(), 1);
    })
    .await;
}

#[tokio::test]
async fn what_is_wrong_with_a_workflow_is_said_with_its_place() {
    on_a_server(|server| async move {
        let cases = [
            (json!({"jobs": [{"name": "a", "kind": "x y"}]}), Some("/jobs/0/kind")),
            (json!({"group": [{"kind": "x"}, {"kind": "x", "nonsense": 1}]}), Some("/group/1/nonsense")),
            (json!({"chain": [{"group": [{"kind": "x", "delay": "soon"}]}]}), Some("/chain/0/group/0/delay")),
            (json!({"jobs": [], "chain": []}), Some("")),
            (json!({"group": [], "then": {"kind": ""}}), Some("/then/kind")),
            (json!({"jobs": [{"name": "a", "kind": "x", "after": ["b"]}]}), None),
        ];
        for (workflow, field) in cases {
            let problem =
                server.post("/api/v1/workflows", workflow.clone()).await.problem(422, "invalid-request");
            match field {
                Some(field) => assert_eq!(problem["field"], json!(field), "{workflow}: {problem}"),
                None => assert!(text(&problem["detail"]).contains("after names b"), "{problem}"),
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_job_waits_for_others_by_id_and_by_name() {
    on_a_server(|server| async move {
        let first = server.enqueue(json!({"kind": "a", "execution_id": "first"})).await;
        let after = json!([first["id"], {"job": "execution:first", "as": "x"}]);
        let job = server.enqueue(json!({"kind": "b", "after": after, "delay": "1h"})).await;
        assert_eq!(
            (&job["state"], &job["status"], &job["run_at"]),
            (&json!("waiting"), &json!("waiting"), &Value::Null)
        );
        let unknown = json!({"kind": "b", "after": [uuid::Uuid::now_v7()]});
        let problem = server.post("/api/v1/jobs", unknown.clone()).await.problem(422, "invalid-request");
        assert_eq!(problem["field"], "/after");
        let batch = server
            .post("/api/v1/jobs/batch", json!([unknown, {"kind": "b", "after": ["execution:first"]}]))
            .await;
        let results = batch.expect(202)["results"].clone();
        assert_eq!((&results[0]["status"], &results[1]["status"]), (&json!("refused"), &json!("created")));
        for bad in [
            json!({"kind": "b", "after": ["x"]}),
            json!({"kind": "b", "run_if": "any_failed"}),
            json!({"kind": "tidemill.x"}),
        ] {
            server.post("/api/v1/jobs", bad).await.problem(422, "invalid-request");
        }
    })
    .await;
}
