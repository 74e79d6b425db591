//! Shutdown in levels: finish, hand back at no cost, stop at once; nothing is lost on the way.

use std::time::Duration;

use serde_json::json;
use tidemill::{JobError, NewJob, Options, StopReason, Store};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::{Witness, until_state};
use crate::support::{DEADLINE, Db, Mill, Proxy, job, numbered, ok, wait_for};

#[tokio::test]
async fn h1_running_jobs_finish_and_no_new_ones_are_claimed() {
    let db = Db::new().await;
    let witness = Witness::default();
    let gate = std::sync::Arc::new(Semaphore::new(0));
    let (seen, door) = (witness.clone(), gate.clone());
    let mill = Mill::builder(&db)
        .slots(2)
        .handler("k", move |context| {
            let (seen, door) = (seen.clone(), door.clone());
            async move {
                let _presence = seen.enter();
                door.acquire().await.unwrap().forget();
                context.log("still heard").await;
                ok(json!("finished"))
            }
        })
        .start();
    let jobs: Vec<NewJob> = (0..6).map(|n| numbered("k", n)).collect();
    db.enqueue_all(&jobs).await;
    witness.until_begun(2).await;
    mill.shutdown.graceful.cancel();
    // It still renews its leases while it waits.
    let beaten = "running where seen_at > started_at + interval '200 ms'";
    wait_for("a heartbeat during shutdown", || async { (db.count(beaten).await == 2).then_some(()) }).await;
    gate.add_permits(6);
    mill.ended().await;
    assert_eq!(witness.begun(), 2);
    assert_eq!(db.count("jobs where state = 'completed' and result = '\"finished\"'").await, 2);
    assert_eq!(db.count("jobs where state = 'available' and attempt = 0").await, 4);
    assert_eq!(db.count("running").await, 0);
    assert_eq!(db.workers().await.unwrap()[0].state, "stopped");
    db.check_invariants().await;
}

#[tokio::test]
async fn h1_after_the_timeout_jobs_are_handed_back_at_no_cost() {
    let db = Db::new().await;
    let witness = Witness::default();
    let seen = witness.clone();
    let mill = Mill::builder(&db)
        .settings(|settings| settings.shutdown_timeout = Duration::from_millis(200))
        .handler("k", move |context| {
            let seen = seen.clone();
            async move {
                let _presence = seen.enter();
                seen.hear(context.stopped().await);
                Err(JobError::retry("interrupted"))
            }
        })
        .start();
    let id = db.enqueue(NewJob { max_attempts: Some(1), ..job("k") }).await;
    witness.until_begun(1).await;
    mill.stop().await;
    assert_eq!(witness.heard(), [StopReason::Shutdown]);
    let found = db.job(id).await;
    assert_eq!((found.state.word(), found.attempt), ("available", 0));
    assert_eq!(db.event_types(id).await, ["released"]);
    assert_eq!(db.claim_one().await.attempt, 1, "due at once for another worker");
}

#[tokio::test]
async fn h1_a_second_signal_ends_even_deaf_handlers_at_once_and_hands_back() {
    let db = Db::new().await;
    let witness = Witness::default();
    let seen = witness.clone();
    let mill = Mill::builder(&db)
        .handler("k", move |_| {
            let seen = seen.clone();
            async move {
                let _presence = seen.enter();
                std::future::pending().await
            }
        })
        .start();
    let id = db.enqueue(job("k")).await;
    witness.until_begun(1).await;
    let began = Instant::now();
    mill.shutdown.graceful.cancel();
    mill.shutdown.immediate.cancel();
    mill.ended().await;
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert_eq!(witness.ended(), 1);
    let found = db.job(id).await;
    assert_eq!((found.state.word(), found.attempt), ("available", 0));
}

#[tokio::test]
async fn a_soft_timeout_before_the_shutdown_does_not_make_it_cost_an_attempt() {
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
    let id = db.enqueue(NewJob { soft_timeout: Some(Duration::from_millis(50)), ..job("k") }).await;
    wait_for("the soft timeout asks", || async { (!witness.heard().is_empty()).then_some(()) }).await;
    mill.shutdown.graceful.cancel();
    mill.shutdown.immediate.cancel();
    mill.ended().await;
    let found = db.job(id).await;
    assert_eq!((found.state.word(), found.attempt), ("available", 0));
}

#[tokio::test]
async fn claims_in_flight_at_the_signal_are_not_lost() {
    let db = Db::new().await;
    for round in 0..10 {
        let jobs: Vec<NewJob> = (0..500).map(|n| numbered("k", n)).collect();
        let mill = Mill::builder(&db).slots(20).handler("k", |_| async { ok(None) }).start();
        db.enqueue_all(&jobs).await;
        let enough = round * 50;
        wait_for("some are done", || async {
            (db.count("jobs where finished_at is not null").await >= enough).then_some(())
        })
        .await;
        mill.stop().await;
        assert_eq!(db.count("running").await, 0, "leases were left behind");
        assert_eq!(db.count("jobs_live where attempt <> 0").await, 0, "an attempt was spent");
        db.execute("delete from jobs").await;
    }
}

#[tokio::test]
async fn drain_by_request_claims_no_more_and_lets_the_rest_finish() {
    let db = Db::new().await;
    let mill = Mill::builder(&db).handler("k", |_| async { ok(None) }).start();
    let first = db.enqueue(job("k")).await;
    until_state(&db, first, "completed").await;
    assert!(db.drain_worker(&mill.id).await.unwrap());
    wait_for("the worker drains", || async {
        (db.workers().await.unwrap()[0].state == "draining").then_some(())
    })
    .await;
    let second = db.enqueue(job("k")).await;
    let other = Mill::builder(&db).handler("other", |_| async { ok(None) }).start();
    let beside = db.enqueue(job("other")).await;
    until_state(&db, beside, "completed").await;
    assert_eq!(db.state(second).await, "available");
    other.stop().await;
    mill.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_whose_postgres_is_gone_ends_all_the_same() {
    let db = Db::new().await;
    let proxy = Proxy::before(&db.options().url).await;
    let store = Store::connect(Options { url: proxy.url(&db.options().url), ..db.options() }).unwrap();
    let witness = Witness::default();
    let seen = witness.clone();
    let mill = Mill::builder(&store)
        .handler("k", move |context| {
            let seen = seen.clone();
            async move {
                let _presence = seen.enter();
                context.stopped().await;
                context.log("never stored").await;
                ok(None)
            }
        })
        .start();
    let id = db.enqueue(job("k")).await;
    witness.until_begun(1).await;
    proxy.black_hole();
    mill.shutdown.graceful.cancel();
    mill.shutdown.immediate.cancel();
    tokio::time::timeout(DEADLINE, mill.task).await.expect("it ends").unwrap().unwrap();
    assert_eq!(witness.ended(), 1);
    db.expire(id).await;
    assert_eq!(db.sweep().await.unwrap().len(), 1, "nothing is lost: the sweep takes it back");
}
