//! Signals: not lost when they come first, the first of a name counts, a time-out is for good, and nobody
//! holds a slot who waits.

use std::time::Duration;

use crate::support::states;
use serde_json::{Value, json};
use tidemill::JobState;
use tidemill::job::attempt::{Outcome, Usage, Wait};
use tidemill::store::attempts::settle::Settled;
use tidemill::store::attempts::signals::SignalOutcome;
use tidemill::store::jobs::cancel::CancelOutcome;
use tidemill::{Context, NewJob};

use crate::support::{Db, Mill, Session, blocked_or_done, job, ok, wait_for};

fn waiter(db: &Db, timeout: Option<Duration>) -> Mill {
    Mill::builder(&db.store)
        .slots(1)
        .handler("waiter", move |context: Context| async move {
            let said: Option<Value> = context.signal("go", timeout).await?;
            ok(json!({ "said": said }))
        })
        .handler("quick", |_| async { ok(None) })
        .start()
}

async fn result(db: &Db, id: uuid::Uuid) -> Value {
    wait_for("it completes", || async { (db.state(id).await == "completed").then_some(()) }).await;
    db.job(id).await.result.unwrap()["said"].clone()
}

async fn until_it_waits(db: &Db, id: uuid::Uuid) {
    wait_for("it waits", || async { (db.state(id).await == "waiting").then_some(()) }).await;
}

#[tokio::test]
async fn l2_a_signal_before_the_wait_is_not_lost() {
    let db = Db::new().await;
    let id = db.enqueue(job("waiter")).await;
    assert_eq!(db.signal(id, "go", Some(&json!(7)), "me").await.unwrap(), Some(SignalOutcome::Delivered));
    let mill = waiter(&db, None);
    assert_eq!(result(&db, id).await, json!(7));
    assert_eq!(db.job(id).await.attempt, 1);
    mill.stop().await;
}

#[tokio::test]
async fn l2_the_first_signal_wakes_the_job_and_the_second_is_ignored() {
    let db = Db::new().await;
    let mill = waiter(&db, None);
    let (id, other) = (db.enqueue(job("waiter")).await, db.enqueue(job("waiter")).await);
    until_it_waits(&db, id).await;
    until_it_waits(&db, other).await;
    // Both wait and the one slot is free.
    let quick = db.enqueue(job("quick")).await;
    wait_for("the slot is free", || async { (db.state(quick).await == "completed").then_some(()) }).await;
    assert_eq!(db.signal(id, "other", None, "me").await.unwrap(), Some(SignalOutcome::Delivered));
    assert_eq!(db.state(id).await, "waiting", "another name wakes nobody");
    let both = format!(
        r#"select signal('{id}', 'go', '"first"') union all select signal('{id}', 'go', '"second"')"#
    );
    let both: Vec<(String,)> = db.rows(both).await;
    assert_eq!((both[0].0.as_str(), both[1].0.as_str()), ("delivered", "ignored"));
    assert_eq!(result(&db, id).await, json!("first"));
    assert_eq!(db.state(other).await, "waiting", "a signal is for one job");
    assert_eq!(db.signal(id, "go", None, "me").await.unwrap(), Some(SignalOutcome::Completed));
    assert_eq!(db.signal(uuid::Uuid::now_v7(), "go", None, "me").await.unwrap(), None);
    assert_eq!(db.job(id).await.attempt, 1, "waiting costs no attempt");
    mill.stop().await;
    db.check_invariants().await;
}

#[tokio::test]
async fn l2_a_time_out_is_for_good() {
    let db = Db::new().await;
    let mill = waiter(&db, Some(Duration::from_millis(100)));
    let id = db.enqueue(job("waiter")).await;
    until_it_waits(&db, id).await;
    wait_for("it is woken", || async {
        (db.scalar::<i32>("select release_timed_out()").await > 0).then_some(())
    })
    .await;
    assert_eq!(result(&db, id).await, Value::Null);
    assert_eq!(db.count("signals where timed_out").await, 1);
    mill.stop().await;
}

#[tokio::test]
async fn l2_a_time_out_beyond_all_time_is_a_long_wait() {
    let db = Db::new().await;
    let mill = waiter(&db, Some(Duration::MAX));
    let id = db.enqueue(job("waiter")).await;
    until_it_waits(&db, id).await;
    assert_eq!(db.count("blocked_jobs where until > now() + interval '99 years'").await, 1);
    db.signal(id, "go", Some(&json!(7)), "me").await.unwrap();
    assert_eq!(result(&db, id).await, json!(7));
    mill.stop().await;
}

#[tokio::test]
async fn l2_a_signal_and_a_time_out_at_the_same_instant_have_one_winner() {
    let db = Db::new().await;
    for signal_first in [true, false] {
        let claimed = db.running().await;
        let wait = Wait::Signal { signal: "go".into(), timeout_seconds: Some(0.0) };
        let settled = Settled::of(claimed.id, claimed.lease_id, Outcome::Waits { wait }, Usage::default());
        assert_eq!(states(&db.settle(settled.as_slice()).await.unwrap()), [Some(JobState::Waiting)]);
        let signal = format!("select signal('{}', 'go', '1')", claimed.id);
        let wake = "select release_timed_out()".to_owned();
        let (first, second) = if signal_first { (signal, wake) } else { (wake, signal) };
        let mut holder = Session::begin(&db).await;
        holder.run(&first).await.unwrap();
        let rival = Session::open(&db).await;
        let pid = rival.pid;
        let rival = rival.run_apart(second);
        blocked_or_done(&db, pid, &rival).await;
        holder.run("commit").await.unwrap();
        rival.await.unwrap().1.unwrap();
        assert_eq!(db.state(claimed.id).await, "available");
        assert_eq!(db.count(&format!("signals where job_id = '{}'", claimed.id)).await, 1);
        let timed_out: bool =
            db.scalar(format!("select timed_out from signals where job_id = '{}'", claimed.id)).await;
        assert_eq!(timed_out, !signal_first);
        db.cancel(claimed.id, None, "me").await.unwrap();
    }
}

#[tokio::test]
async fn l2_a_signal_between_the_check_and_the_wait_is_not_lost() {
    let db = Db::new().await;
    let claimed = db.running().await;
    // The handler saw none; now it comes; then the attempt ends to wait.
    db.signal(claimed.id, "go", None, "me").await.unwrap();
    let wait = Wait::Signal { signal: "go".into(), timeout_seconds: None };
    let settled = Settled::of(claimed.id, claimed.lease_id, Outcome::Waits { wait }, Usage::default());
    assert_eq!(states(&db.settle(settled.as_slice()).await.unwrap()), [Some(JobState::Available)]);
    assert_eq!(db.count("blocked_jobs").await, 0);
}

#[tokio::test]
async fn f5_a_job_that_waits_for_a_signal_is_cancelled_at_once() {
    let db = Db::new().await;
    let mill = waiter(&db, None);
    let id = db.enqueue(job("waiter")).await;
    until_it_waits(&db, id).await;
    assert_eq!(db.cancel(id, None, "me").await.unwrap(), Some(CancelOutcome::Cancelled));
    assert_eq!(db.count("blocked_jobs").await, 0);
    mill.stop().await;
}

#[tokio::test]
async fn a_job_that_waits_for_a_signal_frees_its_place_in_a_limit() {
    let db = Db::new().await;
    db.execute("select set_limit('one', 1)").await;
    let mill = waiter(&db, None);
    let limited = || NewJob { concurrency_keys: vec!["one".into()], ..job("waiter") };
    let (first, second) = (db.enqueue(limited()).await, db.enqueue(limited()).await);
    wait_for("both wait for the signal", || async { (db.count("blocked_jobs").await == 2).then_some(()) })
        .await;
    assert_eq!(db.job(first).await.run_at, None);
    assert_eq!(db.run_now(first, "me").await.unwrap(), Some(JobState::Waiting), "it is not due at any time");
    for id in [second, first] {
        db.signal(id, "go", Some(&json!(1)), "me").await.unwrap();
        assert_eq!(result(&db, id).await, json!(1));
    }
    mill.stop().await;
}
