//! Durable sleeps: without a slot, over restarts, each of its own length.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::json;
use tidemill::Context;
use tidemill::store::jobs::cancel::CancelOutcome;

use crate::support::{Db, Mill, job, ok, wait_for};

fn sleeper(db: &Db, runs: &Arc<AtomicUsize>, seconds: u64) -> Mill {
    let runs = runs.clone();
    Mill::builder(&db.store)
        .slots(1)
        .handler("sleeper", move |context: Context| {
            runs.fetch_add(1, Ordering::SeqCst);
            async move {
                context.sleep("first", Duration::from_secs(seconds)).await?;
                context.sleep("second", Duration::from_secs(seconds)).await?;
                ok(json!("rested"))
            }
        })
        .handler("quick", |_| async { ok(None) })
        .start()
}

#[tokio::test]
async fn l3_two_sleeps_hold_no_slot_survive_a_restart_and_end() {
    let db = Db::new().await;
    let runs = Arc::new(AtomicUsize::new(0));
    let mill = sleeper(&db, &runs, 3600);
    let id = db.enqueue(job("sleeper")).await;
    wait_for("it sleeps", || async { (db.job(id).await.status == "scheduled").then_some(()) }).await;
    let wakes_at = db.job(id).await.run_at;
    let quick = db.enqueue(job("quick")).await;
    wait_for("the slot is free", || async { (db.state(quick).await == "completed").then_some(()) }).await;
    mill.stop().await;
    // Woken too early it goes on sleeping until the same moment, not for another hour.
    let mill = sleeper(&db, &runs, 3600);
    db.run_now(id, "me").await.unwrap();
    wait_for("it was run again", || async { (runs.load(Ordering::SeqCst) == 2).then_some(()) }).await;
    wait_for("it sleeps on", || async { (db.job(id).await.status == "scheduled").then_some(()) }).await;
    let drift = db.job(id).await.run_at.unwrap() - wakes_at.unwrap();
    assert!(drift.num_seconds().abs() <= 1, "{drift}");
    // An hour passes, twice.
    for step in ["first", "second"] {
        wait_for("the sleep began", || async {
            (db.count(&format!("steps where name = '{step}'")).await == 1).then_some(())
        })
        .await;
        db.execute(format!(
            "update steps set output = jsonb_build_object('sleep_until', now() - interval '1 second') where name = '{step}'"
        ))
        .await;
        wait_for("it sleeps", || async { (db.job(id).await.status == "scheduled").then_some(()) }).await;
        db.run_now(id, "me").await.unwrap();
    }
    wait_for("it completes", || async { (db.state(id).await == "completed").then_some(()) }).await;
    assert_eq!(db.job(id).await.attempt, 1, "sleep costs no attempt");
    assert_eq!(runs.load(Ordering::SeqCst), 4, "no endless rescheduling");
    mill.stop().await;
}

#[tokio::test]
async fn l3_a_short_sleep_waits_in_its_place() {
    let db = Db::new().await;
    let mill = Mill::builder(&db.store)
        .handler("nap", |context: Context| async move {
            context.sleep("nap", Duration::from_millis(50)).await?;
            ok(None)
        })
        .start();
    let id = db.enqueue(job("nap")).await;
    wait_for("it completes", || async { (db.state(id).await == "completed").then_some(()) }).await;
    let ran = db.job(id).await.finished_at.unwrap() - db.job(id).await.started_at.unwrap();
    assert!(ran.num_milliseconds() >= 50, "{ran}");
    assert_eq!(db.event_types(id).await, ["step"]);
    mill.stop().await;
}

#[tokio::test]
async fn f5_a_job_that_sleeps_is_cancelled_at_once() {
    let db = Db::new().await;
    let runs = Arc::new(AtomicUsize::new(0));
    let mill = sleeper(&db, &runs, 3600);
    let id = db.enqueue(job("sleeper")).await;
    wait_for("it sleeps", || async { (db.job(id).await.status == "scheduled").then_some(()) }).await;
    assert_eq!(db.cancel(id, None, "me").await.unwrap(), Some(CancelOutcome::Cancelled));
    mill.stop().await;
}
