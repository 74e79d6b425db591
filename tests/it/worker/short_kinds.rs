//! Kinds that have proved short: their attempts are entered in `running` only when one turns out to be long, and nothing
//! that is promised to long ones is missing then.

use std::sync::Arc;
use std::time::Duration;

use tidemill::{NewJob, StopReason, Store};
use uuid::Uuid;

use super::{Witness, until_drained, until_state};
use crate::support::{Db, Mill, MillBuilder, MortalMill, job, numbered, ok, wait_for};

/// Jobs of kind `k` end at once, unless they carry a number: then when they are asked to stop.
fn mostly_short(store: &Store, witness: &Witness) -> MillBuilder {
    let witness = witness.clone();
    Mill::builder(store)
        .settings(|settings| {
            settings.lease_ttl = Duration::from_secs(5);
            settings.heartbeat = Duration::from_secs(1);
        })
        .handler("k", move |context| {
            let witness = witness.clone();
            async move {
                if context.args()["n"].is_null() {
                    return ok(None);
                }
                let _presence = witness.enter();
                witness.hear(context.stopped().await);
                ok(None)
            }
        })
}

fn short_jobs(number: usize) -> Vec<NewJob> {
    (0..number).map(|_| job("k")).collect()
}

fn stays() -> NewJob {
    numbered("k", 1)
}

/// Runs short jobs until the kind counts as short: no claim enters them any more.
async fn prove_short(db: &Db) {
    db.enqueue_all(&short_jobs(300)).await;
    until_drained(db).await;
}

/// Enqueues two jobs that stay, and waits until they run under a claim that did not enter them.
async fn claimed_as_short(db: &Db, witness: &Witness) -> Uuid {
    let jobs = db.enqueue_all(&[stays(), stays()]).await;
    witness.until_begun(2).await;
    assert_eq!(
        db.count("(select distinct lease_id from jobs_live) l").await,
        1,
        "only short jobs share a lease"
    );
    jobs[0].id
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_turns_out_long_is_entered_renewed_and_cancelled() {
    let db = Db::new().await;
    let witness = Witness::default();
    let mill = mostly_short(&db, &witness).start();
    prove_short(&db).await;
    let id = claimed_as_short(&db, &witness).await;
    wait_for("it is entered", || async { (db.count("running").await == 2).then_some(()) }).await;
    wait_for("its claim is removed", || async { (db.count("claim_batches").await == 0).then_some(()) }).await;
    let renewed = "running where lease_expires_at > started_at + interval '8 seconds'";
    wait_for("its lease is renewed", || async { (db.count(renewed).await == 2).then_some(()) }).await;
    assert!(db.sweep().await.unwrap().is_empty());
    db.execute(format!("select cancel('{id}')")).await;
    until_state(&db, id, "cancelled").await;
    assert_eq!(witness.heard(), [StopReason::Cancelled]);
    db.execute("select cancel(id) from jobs_live").await;
    mill.stop().await;
    assert_eq!(db.count("running").await + db.count("claim_batches").await, 0);
    db.check_invariants().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancel_reaches_one_that_is_not_entered() {
    let db = Db::new().await;
    let witness = Witness::default();
    let mill = mostly_short(&db, &witness)
        .settings(|settings| {
            (settings.lease_ttl, settings.heartbeat) = (Duration::from_secs(30), Duration::from_secs(10))
        })
        .start();
    prove_short(&db).await;
    let id = claimed_as_short(&db, &witness).await;
    db.execute(format!("select cancel('{id}')")).await;
    until_state(&db, id, "cancelled").await;
    assert_eq!(witness.heard(), [StopReason::Cancelled]);
    db.execute("select cancel(id) from jobs_live").await;
    mill.stop().await;
    db.check_invariants().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_worker_s_attempts_are_taken_back_though_none_was_entered() {
    let db = Db::new().await;
    let witness = Witness::default();
    let mill = MortalMill::start(&db, |store| mostly_short(store, &witness));
    prove_short(&db).await;
    let id = claimed_as_short(&db, &witness).await;
    mill.kill();
    db.pause_queue("default", "me").await.unwrap();
    let mut swept = 0;
    while swept < 2 {
        swept += db.sweep().await.unwrap().len();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(db.state(id).await, "available");
    assert_eq!(db.job(id).await.error.unwrap()["type"], "lease_expired");
    assert_eq!(db.count("running").await + db.count("claim_batches").await, 0);
    db.check_invariants().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_claim_of_thousands_is_removed_and_no_row_stays() {
    let db = Arc::new(Db::new().await);
    let witness = Witness::default();
    let mill = mostly_short(&db, &witness).start();
    prove_short(&db).await;
    db.enqueue_all(&short_jobs(5_000)).await;
    until_drained(&db).await;
    wait_for("all claims are removed", || async { (db.count("claim_batches").await == 0).then_some(()) })
        .await;
    mill.stop().await;
    assert_eq!(db.count("running").await, 0);
    assert_eq!(db.count("jobs where state = 'completed'").await, 5_300);
    db.check_invariants().await;
}
