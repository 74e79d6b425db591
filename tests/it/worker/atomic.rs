//! A job's end and its handler's writes in one transaction.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;
use tidemill::JobError;

use crate::support::{Db, Mill, job, ok, wait_for};

#[tokio::test]
async fn d3_complete_and_user_writes_in_one_transaction() {
    let db = Db::new().await;
    db.execute("create table public.payments (job_id uuid not null, seen_completed boolean not null)").await;
    let (pool, crash) = (db.pool().clone(), Arc::new(AtomicBool::new(true)));
    let mill = Mill::builder(&db)
        .handler("pay", move |context| {
            let (pool, crash) = (pool.clone(), crash.clone());
            async move {
                context.progress(50.0, "paying").await;
                let mut transaction = pool.begin().await?;
                context.complete_in(&mut *transaction, &json!({"paid": true})).await?;
                sqlx::query(
                    "insert into public.payments select id, state = 'completed' from tidemill.jobs where id = $1",
                )
                .bind(context.job_id())
                .execute(&mut *transaction)
                .await?;
                if crash.swap(false, Ordering::SeqCst) {
                    // Dropped without a commit, as by a crash.
                    return Err(JobError::retry("the first attempt dies before its commit"));
                }
                transaction.commit().await?;
                ok(json!({"paid": true}))
            }
        })
        .start();
    let id = db.enqueue(job("pay")).await;
    wait_for("the job's end", || async { (db.state(id).await == "completed").then_some(()) }).await;
    mill.stop().await;
    let job = db.job(id).await;
    assert_eq!((job.attempt, job.result), (2, Some(json!({"paid": true}))));
    let paid: Vec<(uuid::Uuid, bool)> = db.rows("select * from public.payments").await;
    assert_eq!(paid, [(id, true)], "once, and seen completed by the transaction itself");
    assert_eq!(db.event_types(id).await, ["progress", "attempt_failed", "retry", "progress"]);
    db.check_invariants().await;
}

#[tokio::test]
async fn a_handler_that_lost_its_lease_commits_nothing() {
    let db = Db::new().await;
    db.execute("create table public.payments (job_id uuid not null)").await;
    let claimed = db.running().await;
    db.expire(claimed.id).await;
    db.sweep().await.unwrap();
    let mut transaction = db.pool().begin().await.unwrap();
    sqlx::query("insert into public.payments values ($1)")
        .bind(claimed.id)
        .execute(&mut *transaction)
        .await
        .unwrap();
    let lease = (claimed.id, claimed.lease_id);
    assert!(!db.complete_in(&mut *transaction, lease, None).await.unwrap());
    transaction.rollback().await.unwrap();
    assert_eq!((db.state(claimed.id).await, db.count("public.payments").await), ("available", 0));
}
