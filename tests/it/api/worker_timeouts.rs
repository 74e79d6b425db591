//! The timeouts of what remote workers run: sent with the claim and by heartbeats, and enforced by the server.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use tidemill::maintenance;
use tidemill::maintenance::MaintenanceSettings;
use tidemill::store::db::notifier::Notifier;
use tokio_util::sync::CancellationToken;

use super::server::{Server, on_a_server, text, until};
use crate::support::wait_at_most;

async fn beat(server: &Server, lease: &Value) -> Value {
    server.post("/api/v1/worker/heartbeat", json!({"worker": "w", "leases": [lease]})).await.expect(200)
}

#[tokio::test]
async fn f2_a_claim_says_how_long_an_attempt_may_take() {
    on_a_server(|server| async move {
        let claim = |more: Value| {
            let mut body = json!({"worker": "w", "kinds": ["k"], "wait_seconds": 5});
            body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            server.post("/api/v1/worker/claim", body)
        };
        let of = |taken: &Value| {
            let job = &taken["jobs"][0];
            (job["soft_timeout_seconds"].clone(), job["hard_timeout_seconds"].clone())
        };
        // Nobody says anything: a day.
        server.enqueue(json!({"kind": "k"})).await;
        let taken = claim(json!({})).await.expect(200);
        assert_eq!(of(&taken), (Value::Null, json!(86_400.0)));
        // The job does; then the worker for its jobs that do not.
        server.enqueue(json!({"kind": "k", "soft_timeout": "10s", "hard_timeout": "30s"})).await;
        let taken = claim(json!({"soft_timeout": "1m", "hard_timeout": "2m"})).await.expect(200);
        assert_eq!(of(&taken), (json!(10.0), json!(30.0)));
        server.enqueue(json!({"kind": "k"})).await;
        let body = json!({"worker": "w", "kinds": ["k"], "wait_seconds": 5, "soft_timeout": "1m", "hard_timeout": "2m"});
        let taken = server.keyed("/api/v1/worker/claim", "key", body.clone()).await.expect(200);
        assert_eq!(of(&taken), (json!(60.0), json!(120.0)));
        assert_eq!(server.keyed("/api/v1/worker/claim", "key", body).await.expect(200), taken);
        let job = &taken["jobs"][0];
        let time = |field: &str| chrono::DateTime::parse_from_rfc3339(text(&job[field])).unwrap();
        // Two minutes and the ten seconds to stop, and no lease on top.
        let allowed = (time("deadline_at") - time("started_at")).num_milliseconds();
        assert!((129_900..130_500).contains(&allowed), "{allowed}");
        claim(json!({"soft_timeout": "2m", "hard_timeout": "1m"})).await.problem(422, "invalid-request");
    })
    .await;
}

#[tokio::test]
async fn f1_a_heartbeat_says_when_the_soft_timeout_has_passed() {
    on_a_server(|server| async move {
        server.enqueue(json!({"kind": "k", "soft_timeout": "1s", "hard_timeout": "1h"})).await;
        server.enqueue(json!({"kind": "k"})).await;
        let taken = server.claim("w", "k", 2).await;
        assert_eq!(beat(&server, &taken[0]["lease_id"]).await["soft_timeout"], json!([]));
        let leases = [&taken[0]["lease_id"], &taken[1]["lease_id"]];
        until("the soft timeout", || async {
            let body = json!({"worker": "w", "leases": leases});
            let answer = server.post("/api/v1/worker/heartbeat", body).await.expect(200);
            assert_eq!(answer["held"], json!(leases));
            answer["soft_timeout"] == json!([leases[0]])
        })
        .await;
        // More time takes it back.
        server.word(&taken[0], "extend", json!({"by": "1h"})).await.expect(200);
        assert_eq!(beat(&server, leases[0]).await["soft_timeout"], json!([]));
    })
    .await;
}

#[tokio::test]
async fn f1_the_server_ends_an_attempt_at_its_hard_timeout_and_grace() {
    on_a_server(|server| async move {
        let stop = CancellationToken::new();
        let settings = MaintenanceSettings { deadlines: true, ..MaintenanceSettings::default() };
        let wakes = server.store.listen(stop.clone());
        let tasks = maintenance::run(
            server.store.clone(),
            Notifier::default(),
            Arc::default(),
            wakes,
            settings,
            stop.clone(),
        );
        let tasks = tokio::spawn(tasks);
        // The kind is known by its first claim.
        server.claim("w", "k", 1).await;
        server.sql("update kinds set stop_grace = '1 s'").await;
        let id =
            server.enqueue(json!({"kind": "k", "hard_timeout": "2s", "max_attempts": 1})).await["id"].clone();
        let began = Instant::now();
        let job = server.claim("w", "k", 1).await.remove(0);
        wait_at_most(Duration::from_secs(20), "it is ended", || async {
            beat(&server, &job["lease_id"]).await;
            (server.job(&id).await["state"] == "failed").then_some(())
        })
        .await;
        let took = began.elapsed();
        // Far below what a lease of 30 s on top would be.
        assert!(took >= Duration::from_secs(3), "{took:?}");
        println!("a hard timeout of 2 s and a grace of 1 s: ended after {took:?}");
        assert_eq!(server.job(&id).await["error"]["type"], "timeout");
        server.word(&job, "complete", json!({})).await.problem(409, "lease-lost");
        stop.cancel();
        tasks.await.unwrap();
    })
    .await;
}
