//! Timeouts and cancels: asked to stop first, ended if that does not help, within the promised time.

use std::time::Duration;

use tidemill::{JobError, KindSettings, NewJob, Options, StopReason, Store};
use tokio::time::Instant;
use uuid::Uuid;

use super::{Witness, until_state};
use crate::support::{Db, Mill, MillBuilder, Proxy, job, ok, wait_for};

/// A handler that runs until it is asked to stop, and then stops with an error.
fn obedient(builder: MillBuilder, settings: KindSettings, witness: &Witness) -> Mill {
    let witness = witness.clone();
    builder
        .handler_with("k", settings, move |context| {
            let witness = witness.clone();
            async move {
                let _presence = witness.enter();
                let reason = context.stopped().await;
                witness.hear(reason);
                Err(JobError::retry("asked to stop"))
            }
        })
        .start()
}

/// A handler that hears nothing.
fn deaf(builder: MillBuilder, settings: KindSettings, witness: &Witness) -> Mill {
    let witness = witness.clone();
    builder
        .handler_with("k", settings, move |_| {
            let witness = witness.clone();
            async move {
                let _presence = witness.enter();
                std::future::pending().await
            }
        })
        .start()
}

fn with_grace(milliseconds: u64) -> KindSettings {
    KindSettings { stop_grace: Duration::from_millis(milliseconds), ..KindSettings::default() }
}

#[tokio::test]
async fn f1_the_soft_timeout_asks_and_the_attempt_fails_as_timed_out() {
    let db = Db::new().await;
    let witness = Witness::default();
    let mill = obedient(Mill::builder(&db), KindSettings::default(), &witness);
    let id = db
        .enqueue(NewJob { soft_timeout: Some(Duration::from_millis(100)), max_attempts: Some(1), ..job("k") })
        .await;
    until_state(&db, id, "failed").await;
    assert_eq!(witness.heard(), [StopReason::SoftTimeout]);
    let attempts = db.attempts(id).await.unwrap();
    assert_eq!(attempts[0].outcome, "timed_out");
    let error = attempts[0].error.as_ref().unwrap();
    assert_eq!(error["type"], "timeout");
    assert!(error["message"].as_str().unwrap().contains("soft timeout of 100ms"), "{error}");
    mill.stop().await;
}

#[tokio::test]
async fn f1_the_hard_timeout_ends_a_handler_that_hears_nothing() {
    let db = Db::new().await;
    let witness = Witness::default();
    let settings = KindSettings {
        soft_timeout: Some(Duration::from_millis(50)),
        hard_timeout: Duration::from_millis(200),
        ..KindSettings::default()
    };
    // Its one slot is free then: the next takes it.
    let mill = deaf(Mill::builder(&db).slots(1), settings, &witness);
    let id = db.enqueue(NewJob { max_attempts: Some(1), ..job("k") }).await;
    let next = db.enqueue(NewJob { max_attempts: Some(1), ..job("k") }).await;
    until_state(&db, id, "failed").await;
    until_state(&db, next, "failed").await;
    assert_eq!((witness.begun(), witness.ended()), (2, 2));
    let (ended, began) = (db.job(id).await.finished_at.unwrap(), db.job(next).await.started_at.unwrap());
    assert!(began - ended < chrono::TimeDelta::seconds(5), "{began} after {ended}");
    let error = db.job(id).await.error.unwrap();
    assert!(error["message"].as_str().unwrap().contains("hard timeout of 200ms"), "{error}");
    assert_eq!(db.attempts(id).await.unwrap()[0].outcome, "timed_out");
    mill.stop().await;
}

/// Cancels running jobs and answers the median time until their handlers heard of it.
async fn time_to_hear(db: &Db, store: &Store) -> Duration {
    let witness = Witness::default();
    let mill = obedient(Mill::builder(store), KindSettings::default(), &witness);
    let mut times = Vec::new();
    for round in 1..=5 {
        let id = db.enqueue(job("k")).await;
        witness.until_begun(round).await;
        let asked = Instant::now();
        db.cancel(id, None, "me").await.unwrap();
        witness.until_ended(round).await;
        times.push(asked.elapsed());
        until_state(db, id, "cancelled").await;
    }
    assert_eq!(witness.heard(), [StopReason::Cancelled; 5]);
    mill.stop().await;
    times.sort();
    times[2]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f4_a_cancel_reaches_a_running_handler_within_a_second() {
    let db = Db::new().await;
    let took = time_to_hear(&db, &db.store).await;
    assert!(took < Duration::from_millis(500), "{took:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f4_a_cancel_reaches_it_within_a_second_without_any_notification() {
    let db = Db::new().await;
    let proxy = Proxy::before(&db.options().url).await;
    proxy.refuse();
    let listen_url = Some(proxy.url(&db.options().url));
    let store = Store::connect(Options { listen_url, ..db.options() }).unwrap();
    let took = time_to_hear(&db, &store).await;
    assert!(took < Duration::from_secs(1), "{took:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancel_still_reaches_it_after_its_listener_was_cut_off() {
    let db = Db::new().await;
    let proxy = Proxy::before(&db.options().url).await;
    let listen_url = Some(proxy.url(&db.options().url));
    let store = Store::connect(Options { listen_url, ..db.options() }).unwrap();
    let witness = Witness::default();
    // Heartbeats are so rare that only the loss of the listener can have caused an early one.
    let builder = Mill::builder(&store).settings(|settings| settings.heartbeat = Duration::from_secs(8));
    let mill = obedient(builder, KindSettings::default(), &witness);
    let id = db.enqueue(job("k")).await;
    witness.until_begun(1).await;
    proxy.refuse();
    db.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity
         where datname = current_database() and query ilike 'listen%'",
    )
    .await;
    db.cancel(id, None, "me").await.unwrap();
    let took = witness.ends_within(Duration::from_secs(5)).await;
    assert!(took < Duration::from_secs(5), "{took:?}");
    until_state(&db, id, "cancelled").await;
    mill.stop().await;
}

#[tokio::test]
async fn f1_a_handler_that_does_not_follow_a_cancel_is_ended_after_its_grace() {
    let db = Db::new().await;
    let witness = Witness::default();
    let mill = deaf(Mill::builder(&db), with_grace(200), &witness);
    let id = db.enqueue(job("k")).await;
    witness.until_begun(1).await;
    let asked = Instant::now();
    db.cancel(id, None, "me").await.unwrap();
    until_state(&db, id, "cancelled").await;
    assert!(asked.elapsed() >= Duration::from_millis(200), "ended before its grace");
    assert_eq!(witness.ended(), 1);
    mill.stop().await;
}

#[tokio::test]
async fn a_cancel_counts_after_the_soft_timeout_too() {
    let db = Db::new().await;
    let witness = Witness::default();
    let settings = KindSettings { soft_timeout: Some(Duration::from_millis(50)), ..with_grace(100) };
    let seen = witness.clone();
    let mill = Mill::builder(&db)
        .handler_with("k", settings, move |context| {
            let seen = seen.clone();
            async move {
                let _presence = seen.enter();
                seen.hear(context.stopped().await);
                std::future::pending().await
            }
        })
        .start();
    let id = db.enqueue(job("k")).await;
    wait_for("the soft timeout asks", || async { (!witness.heard().is_empty()).then_some(()) }).await;
    db.cancel(id, None, "me").await.unwrap();
    until_state(&db, id, "cancelled").await;
    mill.stop().await;
}

#[tokio::test]
async fn a_handler_that_completes_in_spite_of_a_cancel_is_completed() {
    let db = Db::new().await;
    let mill = Mill::builder(&db)
        .handler("k", |context| async move {
            context.stopped().await;
            ok(serde_json::json!("done anyway"))
        })
        .start();
    let id = db.enqueue(job("k")).await;
    until_state(&db, id, "running").await;
    db.cancel(id, None, "me").await.unwrap();
    until_state(&db, id, "completed").await;
    mill.stop().await;
}

#[tokio::test]
async fn a_cancelled_job_that_waits_for_a_slot_never_starts() {
    let db = Db::new().await;
    let witness = Witness::default();
    let seen = witness.clone();
    let mill = Mill::builder(&db)
        .slots(1)
        .handler("k", move |context| {
            let seen = seen.clone();
            async move {
                let _presence = seen.enter();
                if context.args()["n"] == 0 {
                    context.stopped().await;
                }
                ok(None)
            }
        })
        .start();
    let blocking = db.enqueue(crate::support::numbered("k", 0)).await;
    witness.until_begun(1).await;
    let waiting: Vec<Uuid> = db
        .enqueue_all(&[crate::support::numbered("k", 1), crate::support::numbered("k", 2)])
        .await
        .iter()
        .map(|made| made.id)
        .collect();
    for id in &waiting {
        db.cancel(*id, None, "me").await.unwrap();
    }
    db.cancel(blocking, None, "me").await.unwrap();
    super::until_drained(&db).await;
    assert_eq!(witness.begun(), 1);
    mill.stop().await;
}
