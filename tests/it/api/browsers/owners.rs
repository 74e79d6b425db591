//! The owner of a job: every interface takes it, the job shows it, its children and the members of its
//! workflow inherit it, history keeps it, and lists find its jobs.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::api::server::{Server, on_a_server, text};

async fn owner_of(server: &Server, id: &str) -> Value {
    server.get(&format!("/api/v1/jobs/{id}")).await.expect(200)["owner"].clone()
}

async fn listed(server: &Server, query: &str) -> Vec<Value> {
    let page = server.get(&format!("/api/v1/jobs?{query}")).await.expect(200);
    page["items"].as_array().unwrap().iter().map(|job| job["id"].clone()).collect()
}

#[tokio::test]
async fn a_job_has_its_owner_from_every_side_and_lists_find_it() {
    on_a_server(|server| async move {
        let plain = server.post("/api/v1/jobs", json!({"kind": "k"})).await.expect(202);
        assert_eq!(plain["owner"], Value::Null);
        let owned = server.post("/api/v1/jobs", json!({"kind": "k", "owner": "ann"})).await.expect(202);
        assert_eq!(
            (&owned["owner"], owner_of(&server, text(&owned["id"])).await),
            (&json!("ann"), json!("ann"))
        );
        let batch = json!([{"kind": "k", "owner": "bob"}, {"kind": "k"}]);
        let batch = server.post("/api/v1/jobs/batch", batch).await.expect(202);
        assert_eq!(batch["results"][0]["job"]["owner"], "bob");
        let of_sql: Uuid = sqlx::query_scalar("select enqueue('k', owner => 'ann')")
            .fetch_one(server.store.pool())
            .await
            .unwrap();
        assert_eq!(listed(&server, "owner=ann").await, [json!(of_sql), owned["id"].clone()]);
        assert_eq!(listed(&server, "owner=ann&state=completed").await, Vec::<Value>::new());
        assert_eq!(listed(&server, "owner=nobody").await, Vec::<Value>::new());
        let cancel = format!("/api/v1/jobs/{}/cancel", text(&owned["id"]));
        assert_eq!(server.post(&cancel, json!({})).await.expect(200)["owner"], "ann");
        assert_eq!(listed(&server, "owner=ann&state=cancelled").await, [owned["id"].clone()]);
        for bad in [json!(""), json!("a\u{1}b"), json!("x".repeat(256)), json!(7)] {
            let job = json!({"kind": "k", "owner": bad});
            assert!([400, 422].contains(&server.post("/api/v1/jobs", job).await.status));
        }
        let refused =
            sqlx::query("select enqueue('k', owner => e'a\\nb')").execute(server.store.pool()).await;
        assert!(refused.is_err());
    })
    .await;
}

#[tokio::test]
async fn the_jobs_of_a_workflow_a_child_and_a_fork_have_its_owner() {
    on_a_server(|server| async move {
        let spec = json!({"owner": "ann", "chain": [{"kind": "k"}, {"group": [{"kind": "k"}], "then": {"kind": "k"}}]});
        let workflow = server.post("/api/v1/workflows", spec).await.expect(202);
        let all: Vec<Option<String>> =
            sqlx::query_scalar("select owner from jobs").fetch_all(server.store.pool()).await.unwrap();
        assert_eq!(all, vec![Some("ann".to_owned()); 6]);
        assert_eq!(workflow["owner"], "ann");
        let mixed = json!({"owner": "ann", "jobs": [{"kind": "k", "owner": "bob"}]});
        server.post("/api/v1/workflows", mixed).await.problem(422, "invalid-request");
        let parent = server.post("/api/v1/jobs", json!({"kind": "p", "owner": "eve"})).await.expect(202);
        let claim = json!({"worker": "w", "kinds": ["p"], "queues": ["default"], "max": 1});
        let claimed = server.post("/api/v1/worker/claim", claim).await.expect(200);
        let lease = &claimed["jobs"][0]["lease_id"];
        let children = format!("/api/v1/worker/jobs/{}/children", text(&parent["id"]));
        let child = json!({"lease_id": lease, "name": "c", "job": {"kind": "k"}});
        let child = server.post(&children, child).await.expect(200);
        assert_eq!(owner_of(&server, text(&child["job_id"])).await, "eve");
        let fork = format!("/api/v1/jobs/{}/fork", text(&parent["id"]));
        let forked = server.post(&fork, json!({})).await;
        assert_eq!(forked.body["owner"], "eve", "{:?}", forked.body);
    })
    .await;
}
