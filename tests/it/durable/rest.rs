//! Durable jobs by REST: a remote worker's checkpoints, children and waits, and what people see of them.

use serde_json::{Value, json};

use crate::api::server::{on_a_server, text};

#[tokio::test]
async fn a_remote_worker_checkpoints_spawns_and_waits() {
    on_a_server(|server| async move {
        let job = server.enqueue(json!({"kind": "r", "execution_id": "r1"})).await;
        let claimed = server.claim("w", "r", 1).await.remove(0);
        let step = |name: &'static str, output: Value| {
            let (server, claimed) = (&server, &claimed);
            async move { server.word(claimed, "step", json!({"name": name, "output": output})).await }
        };
        assert_eq!(step("a", json!({"n": 1})).await.expect(200)["output"], json!({"n": 1}));
        assert_eq!(
            step("a", json!(2)).await.expect(200)["output"],
            json!({"n": 1}),
            "repeated: the first counts"
        );
        let child = json!({"name": "c", "job": {"kind": "child"}});
        let child_id = server.word(&claimed, "children", child.clone()).await.expect(200)["job_id"].clone();
        assert_eq!(server.word(&claimed, "children", child).await.expect(200)["job_id"], child_id);
        let group = json!({"name": "g", "workflow": {"group": [{"kind": "child"}]}});
        server.word(&claimed, "children", group).await.expect(200);
        let bad = server.word(&claimed, "children", json!({"name": "x", "job": {"kind": ""}})).await;
        assert_eq!(bad.problem(422, "invalid-request")["field"], "/job/kind");

        let wait = json!({"signal": "approved", "timeout": "1d"});
        assert_eq!(server.word(&claimed, "wait", wait.clone()).await.expect(200)["state"], "waiting");
        assert_eq!(server.word(&claimed, "wait", wait).await.expect(200)["state"], "waiting", "said again");
        step("late", json!(1)).await.problem(409, "lease-lost");

        let signal = |name: &str| format!("/api/v1/jobs/execution:r1/signals/{name}");
        let sent = server.post(&signal("approved"), json!({"payload": {"by": "ann"}})).await.expect(200);
        assert_eq!((&sent["outcome"], &sent["count"]), (&json!("delivered"), &json!(1)));
        assert_eq!(server.act(&signal("approved")).await.expect(200)["outcome"], "ignored");
        let signals = server.get("/api/v1/jobs/execution:r1/signals").await.expect(200);
        assert_eq!(signals["items"][0]["payload"], json!({"by": "ann"}));
        let again = server.claim("w", "r", 1).await.remove(0);
        assert_eq!((&again["id"], &again["attempt"]), (&job["id"], &json!(1)));
        let steps = server.get("/api/v1/jobs/execution:r1/steps").await.expect(200);
        let names: Vec<_> =
            steps["items"].as_array().unwrap().iter().map(|step| text(&step["name"]).to_owned()).collect();
        assert_eq!(names, ["a", "c", "g"]);

        let waits = server.word(&again, "wait", json!({"jobs": [child_id]})).await.expect(200);
        assert_eq!(waits["state"], "waiting");
        server.act(&format!("/api/v1/jobs/{}/cancel", text(&child_id))).await.expect(200);
        server.store.resolve().await.unwrap();
        let third = server.claim("w", "r", 1).await.remove(0);
        server.word(&third, "complete", json!({"result": 1})).await.expect(200);
        let late = server.act(&signal("more")).await;
        assert_eq!(late.problem(409, "job-finished")["state"], "completed");

        let forked =
            server.post("/api/v1/jobs/execution:r1/fork", json!({"from_step": "a"})).await.expect(202);
        assert_eq!((&forked["kind"], &forked["execution_id"]), (&json!("r"), &Value::Null));
        let unknown = server.post("/api/v1/jobs/execution:r1/fork", json!({"from_step": "zz"})).await;
        unknown.problem(422, "invalid-request");
    })
    .await;
}
