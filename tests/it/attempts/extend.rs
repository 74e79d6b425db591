//! Extend: a running attempt that needs more time has it, and no other.

use std::time::Duration;

use serde_json::json;
use tidemill::{KindSettings, NewJob, Store};
use uuid::Uuid;

use crate::api::server::{on_a_server, text};
use crate::support::{Db, Mill, job, ok, wait_for};

const MINUTE: Duration = Duration::from_mins(1);

#[tokio::test]
async fn f3_queue_wait_apart_from_run_timeout_extend_while_running() {
    let db = Db::new().await;
    let quick = KindSettings {
        soft_timeout: Some(Duration::from_secs(1)),
        hard_timeout: Duration::from_secs(2),
        ..KindSettings::default()
    };
    let store = db.store.clone();
    let mill = Mill::builder(&db)
        .handler_with("k", quick, move |context| {
            let store = store.clone();
            async move {
                assert!(context.extend(MINUTE).await, "the lease holds");
                // Past both timeouts that it had at first.
                tokio::time::sleep(Duration::from_millis(2500)).await;
                assert_eq!(context.stop_reason(), None);
                let lease = context.attempt().lease_id;
                assert!(!extended_with(&store, context.job_id(), Uuid::new_v4()).await);
                assert!(extended_with(&store, context.job_id(), lease).await);
                ok(None)
            }
        })
        .start();
    // It waited for far longer than it may run.
    let hour_ago = chrono::Utc::now() - chrono::Duration::hours(1);
    let id = db.enqueue(NewJob { run_at: Some(hour_ago), max_attempts: Some(1), ..job("k") }).await;
    wait_for("it is done", || async { db.job(id).await.finished_at }).await;
    let found = db.job(id).await;
    assert_eq!(found.state.word(), "completed", "{:?}", found.error);
    assert_eq!(db.event_types(id).await, ["extended", "extended"]);
    mill.stop().await;
}

async fn extended_with(store: &Store, job: Uuid, lease: Uuid) -> bool {
    store.extend(job, lease, MINUTE).await.unwrap().is_some()
}

#[tokio::test]
async fn the_sweep_and_the_job_s_own_timeouts_follow() {
    let db = Db::new().await;
    let id =
        db.enqueue(NewJob { soft_timeout: Some(MINUTE), hard_timeout: Some(2 * MINUTE), ..job("k") }).await;
    let claimed = db.claim_one().await;
    let before: f64 = db.scalar("select extract(epoch from deadline_at)::float8 from running").await;
    assert!(extended_with(&db, id, claimed.lease_id).await);
    let after: f64 = db.scalar("select extract(epoch from deadline_at)::float8 from running").await;
    assert!((after - before - 60.0).abs() < 0.001);
    let timeouts: String = db.scalar("select concat_ws(' ', soft_timeout, hard_timeout) from jobs").await;
    assert_eq!(timeouts, "00:02:00 00:03:00");
    assert!(db.complete_one(&claimed).await);
    assert!(!extended_with(&db, id, claimed.lease_id).await, "it is finished");
    db.check_invariants().await;
}

#[tokio::test]
async fn an_extension_that_is_not_granted_changes_no_limit() {
    let db = Db::new().await;
    let settings = KindSettings { hard_timeout: Duration::from_millis(500), ..KindSettings::default() };
    let store = db.store.clone();
    let mill = Mill::builder(&db)
        .handler_with("k", settings, move |context| {
            let store = store.clone();
            async move {
                // Somebody takes the job away; the worker has not heard of it.
                let sql = "update jobs_live set lease_id = gen_random_uuid()";
                sqlx::query(sql).execute(store.pool()).await.unwrap();
                assert!(!context.extend(MINUTE).await);
                std::future::pending().await
            }
        })
        .start();
    let id = db.enqueue(job("k")).await;
    wait_for("the attempt is over", || async {
        (mill.liveness.age() < MINUTE && db.count("events").await == 0 && db.count("running").await == 1)
            .then_some(())
    })
    .await;
    assert_eq!(db.event_types(id).await, [""; 0]);
    mill.shutdown.immediate.cancel();
    mill.stop().await;
}

#[tokio::test]
async fn a_remote_worker_extends_and_may_repeat_it() {
    on_a_server(|server| async move {
        server.enqueue(json!({"kind": "a", "hard_timeout": "1m"})).await;
        let job = server.claim("w", "a", 1).await.remove(0);
        let path = format!("/api/v1/worker/jobs/{}/extend", text(&job["id"]));
        let body = json!({"lease_id": job["lease_id"], "by": "10m"});
        let first = server.keyed(&path, "e", body.clone()).await.expect(200);
        assert_eq!(first["state"], "running");
        assert_eq!(server.keyed(&path, "e", body.clone()).await.expect(200), first);
        let timeout: String = sqlx::query_scalar("select hard_timeout::text from jobs")
            .fetch_one(server.store.pool())
            .await
            .unwrap();
        assert_eq!(timeout, "00:11:00");
        assert_ne!(server.post(&path, body).await.expect(200), first);
        let other = json!({"lease_id": Uuid::new_v4(), "by": "10m"});
        server.post(&path, other).await.problem(409, "lease-lost");
        for by in [json!(0), json!("soon"), json!("2years"), json!(null)] {
            let bad = json!({"lease_id": job["lease_id"], "by": by});
            server.post(&path, bad).await.problem(422, "invalid-request");
        }
    })
    .await;
}
