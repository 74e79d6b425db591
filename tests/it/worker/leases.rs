//! Leases: promise 5 — an attempt ends before its job may be handed on — and promise 3 — what it says
//! afterwards is void.

use std::time::Duration;

use serde_json::json;
use tidemill::store::attempts::claim::{ClaimRequest, Position, Terms};
use tidemill::{NewJob, Options, StopReason, Store};
use tokio::sync::Semaphore;
use uuid::Uuid;

use super::{Witness, until_state};
use crate::support::{Db, Mill, Proxy, job, ok, wait_at_most, wait_for};

/// A handler that reports for ever.
fn reporting(store: &Store, lease_ttl: Duration, witness: &Witness) -> Mill {
    let witness = witness.clone();
    Mill::builder(store)
        .settings(|settings| {
            settings.lease_ttl = lease_ttl;
            settings.heartbeat = lease_ttl / 5;
        })
        .handler("k", move |context| {
            let witness = witness.clone();
            async move {
                let _presence = witness.enter();
                let stopped = context.stopped();
                tokio::pin!(stopped);
                loop {
                    tokio::select! {
                        reason = &mut stopped => {
                            witness.hear(reason);
                            context.log("after the end").await;
                            return ok(json!("too late"));
                        }
                        () = tokio::time::sleep(Duration::from_millis(5)) => context.log("alive").await,
                    }
                }
            }
        })
        .start()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g1_a_handler_whose_lease_was_taken_is_stopped_and_its_writes_are_void() {
    let db = Db::new().await;
    let witness = Witness::default();
    let mill = reporting(&db, Duration::from_secs(30), &witness);
    let id = db.enqueue(job("k")).await;
    witness.until_begun(1).await;
    wait_for("it reports", || async { (db.count("events").await > 3).then_some(()) }).await;
    // Pauses the queue, so that nobody takes the job again.
    db.pause_queue("default", "me").await.unwrap();
    db.expire(id).await;
    // A heartbeat may come between: then once more.
    wait_for("the sweep takes it", || async {
        db.expire(id).await;
        (!db.sweep().await.unwrap().is_empty()).then_some(())
    })
    .await;
    witness.until_ended(1).await;
    mill.stop().await;
    assert_eq!(db.state(id).await, "available");
    let types = db.event_types(id).await;
    assert_eq!(
        &types[types.len() - 2..],
        ["lease_lost", "retry"],
        "something was written after the lease was lost"
    );
    assert_eq!(db.count("jobs where result is not null").await, 0);
    db.check_invariants().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_handler_learns_of_its_lost_lease_by_the_heartbeat() {
    let db = Db::new().await;
    let witness = Witness::default();
    let seen = witness.clone();
    let mill = Mill::builder(&db)
        .handler("k", move |context| {
            let seen = seen.clone();
            async move {
                let _presence = seen.enter();
                seen.hear(context.stopped().await);
                std::future::pending().await
            }
        })
        .start();
    let id = db.enqueue(job("k")).await;
    witness.until_begun(1).await;
    db.execute("delete from running").await;
    witness.until_ended(1).await;
    mill.stop().await;
    assert_eq!(db.state(id).await, "running", "only a hand can have done this; a hand must mend it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g1_an_attempt_that_cannot_renew_ends_before_its_lease_does() {
    let db = Db::new().await;
    let proxy = Proxy::before(&db.options().url).await;
    let store = Store::connect(Options { url: proxy.url(&db.options().url), ..db.options() }).unwrap();
    let witness = Witness::default();
    let mill = reporting(&store, Duration::from_secs(2), &witness);
    let id = db.enqueue(job("k")).await;
    witness.until_begun(1).await;
    wait_for("it reports", || async { (db.count("events").await > 3).then_some(()) }).await;
    proxy.black_hole();
    // Asked without a pause: the last look before the end must not have seen the lease over.
    let expired = format!("running where job_id = '{id}' and lease_expires_at < clock_timestamp()");
    wait_at_most(Duration::from_secs(20), "the handler ends", || async {
        let over = db.count(&expired).await > 0;
        let ended = witness.ended() > 0;
        assert!(ended || !over, "the lease is over and the handler still runs");
        ended.then_some(())
    })
    .await;
    // The sweep hands the job on; when the network is back, the first worker's words count for nothing.
    db.pause_queue("default", "me").await.unwrap();
    wait_for("the sweep takes it", || async { (!db.sweep().await.unwrap().is_empty()).then_some(()) }).await;
    proxy.heal();
    db.execute("update jobs_live set run_at = now(), attempt = 0, error = null").await;
    db.resume_queue("default").await.unwrap();
    witness.until_begun(2).await;
    let types = db.event_types(id).await;
    let lost = types.iter().position(|kind| kind == "lease_lost").expect("it was lost");
    let stale = db
        .count(&format!(
            "events where job_id = '{id}' and seq > {} and data ->> 'line' = 'after the end'",
            lost + 1
        ))
        .await;
    assert_eq!(stale, 0);
    mill.shutdown.immediate.cancel();
    mill.stop().await;
    db.check_invariants().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g7_a_worker_claims_again_when_old_connections_stay_dead_and_new_ones_work() {
    let db = Db::new().await;
    let proxy = Proxy::before(&db.options().url).await;
    let store = Store::connect(Options { url: proxy.url(&db.options().url), ..db.options() }).unwrap();
    let mill = Mill::builder(&store)
        .settings(|settings| {
            settings.lease_ttl = Duration::from_secs(2);
            settings.heartbeat = Duration::from_millis(400);
        })
        .handler("k", |_| async { ok(None) })
        .start();
    let first = db.enqueue(job("k")).await;
    until_state(&db, first, "completed").await;
    proxy.black_hole();
    let second = db.enqueue(job("k")).await;
    // Until it has noticed.
    wait_for("the claimer waits without an answer", || async {
        (mill.liveness.age() > Duration::from_secs(3)).then_some(())
    })
    .await;
    proxy.heal_for_new();
    let done = || async { (db.state(second).await == "completed").then_some(()) };
    wait_at_most(Duration::from_secs(60), "the job runs over new connections", done).await;
    mill.shutdown.immediate.cancel();
    mill.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_claimed_in_a_claim_whose_answer_was_lost_costs_no_attempt() {
    let db = Db::new().await;
    let proxy = Proxy::before(&db.options().url).await;
    let store = Store::connect(Options { url: proxy.url(&db.options().url), ..db.options() }).unwrap();
    let mill =
        Mill::builder(&store).handler("k", |context| async move { ok(json!(context.attempt().attempt)) });
    let mill = mill.start();
    let first = db.enqueue(job("k")).await;
    until_state(&db, first, "completed").await;
    proxy.down();
    // The claim was carried out, and its worker never heard of it.
    let id = db.enqueue(NewJob { max_attempts: Some(1), ..job("k") }).await;
    let request = ClaimRequest {
        queue: "default",
        kinds: &["k".into()],
        limit: 1,
        cursor: &[Position::HEAD; 9],
        worker_id: &mill.id,
        lease_ttl_seconds: 300.0,
        picked: &[],
        terms: Terms::default(),
    };
    assert_eq!(db.claim(&request).await.unwrap()[0].id, id);
    wait_for("the worker notices", || async { (mill.liveness.age() > Duration::from_secs(3)).then_some(()) })
        .await;
    proxy.heal();
    until_state(&db, id, "completed").await;
    assert_eq!(
        (db.job(id).await.result, db.event_types(id).await),
        (Some(json!(1)), vec!["released".to_owned()])
    );
    mill.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_comes_back_to_the_same_worker_ends_the_older_attempt() {
    let db = Db::new().await;
    let witness = Witness::default();
    let (seen, gate) = (witness.clone(), std::sync::Arc::new(Semaphore::new(0)));
    let door = gate.clone();
    let mill = Mill::builder(&db)
        // So slow a heart that the claim comes first.
        .settings(|settings| settings.heartbeat = Duration::from_secs(20))
        .handler("k", move |context| {
            let (seen, door) = (seen.clone(), door.clone());
            async move {
                let _presence = seen.enter();
                if context.attempt().attempt == 1 {
                    std::future::pending::<()>().await;
                }
                door.acquire().await.unwrap().forget();
                ok(json!(context.attempt().attempt))
            }
        })
        .start();
    let id: Uuid = db.enqueue(job("k")).await;
    witness.until_begun(1).await;
    db.expire(id).await;
    assert_eq!(db.sweep().await.unwrap().len(), 1);
    db.run_now(id, "me").await.unwrap();
    witness.until_begun(2).await;
    wait_at_most(Duration::from_secs(10), "the older attempt ends", || async {
        (witness.ended() == 1).then_some(())
    })
    .await;
    gate.add_permits(1);
    until_state(&db, id, "completed").await;
    assert_eq!(db.job(id).await.result, Some(json!(2)));
    assert_eq!(witness.heard(), Vec::<StopReason>::new());
    mill.stop().await;
}
