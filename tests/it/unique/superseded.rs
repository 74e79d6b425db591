//! A job whose key passed on while it ran or waited for its next attempt gives way; so does none else.

use std::time::Duration;

use crate::support::states;
use serde_json::{Value, json};
use tidemill::JobState;
use tidemill::NewJob;
use tidemill::job::attempt::{Outcome, Usage};

use super::{QUEUED, created, end, existing, failure, in_status, unique_job};
use crate::support::{Db, Session, blocked_or_done};

fn queued() -> NewJob {
    unique_job(json!({}), json!({"states": QUEUED}))
}

async fn reason(db: &Db, id: uuid::Uuid) -> Value {
    db.scalar(format!(
        "select data -> 'reason' from events where job_id = '{id}' and type = 'cancel_requested'"
    ))
    .await
}

#[tokio::test]
async fn b6_retryable_job_whose_slot_was_taken_is_cancelled_at_once() {
    let db = Db::new().await;
    let old = in_status(&db, "retrying", queued()).await;
    let new = created(&db, queued()).await;
    assert_eq!(db.state(old).await, "cancelled");
    assert_eq!(reason(&db, old).await, json!(format!("superseded by {new}")));
    assert_eq!(db.state(new).await, "available");
    db.check_invariants().await;
}

#[tokio::test]
async fn b6_retryable_job_whose_slot_was_taken_while_it_ran_is_cancelled_when_it_would_come_back() {
    for outcome in [failure(), Outcome::Snoozed { delay: Duration::from_secs(1) }, Outcome::Released] {
        let db = Db::new().await;
        let old = in_status(&db, "running", queued()).await;
        let lease: uuid::Uuid = db.scalar("select lease_id from running").await;
        let new = created(&db, queued()).await;
        assert_eq!(db.state(old).await, "running");
        let claimed =
            tidemill::store::attempts::settle::Settled::of(old, lease, outcome, Default::default()).unwrap();
        assert_eq!(states(&db.settle(&[claimed]).await.unwrap()), [Some(JobState::Cancelled)]);
        assert_eq!(reason(&db, old).await, json!(format!("superseded by {new}")));
        db.check_invariants().await;
    }
    let db = Db::new().await;
    let old = in_status(&db, "running", queued()).await;
    created(&db, queued()).await;
    db.expire(old).await;
    assert_eq!(db.sweep().await.unwrap()[0].state, Some(JobState::Cancelled));
    assert_eq!(db.event_types(old).await, ["lease_lost", "cancel_requested"]);
}

#[tokio::test]
async fn one_that_was_not_superseded_comes_back() {
    let db = Db::new().await;
    // By a window that is over the key passes on without displacing anybody.
    let window = || unique_job(json!({}), json!({"window": "1h", "states": QUEUED}));
    in_status(&db, "running", window()).await;
    db.execute("update jobs_live set created_at = created_at - interval '2 hours'").await;
    let claimed = db.rows::<(uuid::Uuid, uuid::Uuid)>("select job_id, lease_id from running").await[0];
    let new = created(&db, window()).await;
    let settled =
        tidemill::store::attempts::settle::Settled::of(claimed.0, claimed.1, failure(), Default::default())
            .unwrap();
    assert_eq!(states(&db.settle(&[settled]).await.unwrap()), [Some(JobState::Available)]);
    assert_eq!(db.state(new).await, "available");
    // One that completes is completed.
    let done = unique_job(json!({"b": 1}), json!({"states": QUEUED}));
    let id = NewJob { queue: Some("q".into()), ..done.clone() };
    let id = created(&db, id).await;
    let running = db.claim_some("q", "k", 1).await.remove(0);
    created(&db, NewJob { id: uuid::Uuid::now_v7(), ..done }).await;
    assert!(db.complete_one(&running).await);
    assert_eq!(db.state(id).await, "completed");
}

#[tokio::test]
async fn taking_the_key_of_a_running_job_and_handing_that_job_back_are_serialised() {
    let db = Db::new().await;
    let old = in_status(&db, "running", queued()).await;
    let lease: uuid::Uuid = db.scalar("select lease_id from running").await;
    let mut inserter = Session::begin(&db).await;
    let sql =
        r#"select enqueue('k', unique_by => '{"states": ["scheduled", "available", "waiting"]}')::text"#;
    let new = inserter.run(sql).await.unwrap().unwrap();
    let settler = Session::open(&db).await;
    let pid = settler.pid;
    let settler = settler.run_apart(format!("select settle_attempt('{old}', '{lease}', 'released')"));
    assert!(blocked_or_done(&db, pid, &settler).await, "it waits until it is known who has the key");
    inserter.run("commit").await.unwrap();
    assert_eq!(settler.await.unwrap().1.unwrap().as_deref(), Some("cancelled"));
    assert_eq!(db.count("jobs_live").await, 1);

    // The other way round.
    let running = db.claim_one().await;
    assert_eq!(running.id.to_string(), new);
    let mut settler = Session::begin(&db).await;
    settler
        .run(&format!(
            "select settle_attempt('{}', '{}', 'snoozed', null, '1 hour')",
            running.id, running.lease_id
        ))
        .await
        .unwrap();
    let rival = Session::open(&db).await;
    let pid = rival.pid;
    let rival = rival.run_apart(sql.into());
    assert!(blocked_or_done(&db, pid, &rival).await);
    settler.run("commit").await.unwrap();
    // It is scheduled now, and stands in the way.
    assert_eq!(rival.await.unwrap().1.unwrap(), Some(new));
}

#[tokio::test]
async fn an_open_transaction_with_the_key_holds_up_no_worker_and_the_job_gives_way_after_one_more_attempt() {
    let db = Db::new().await;
    in_status(&db, "running", queued()).await;
    let mut inserter = Session::begin(&db).await;
    let sql =
        r#"select enqueue('k', unique_by => '{"states": ["scheduled", "available", "waiting"]}')::text"#;
    inserter.run(sql).await.unwrap();
    let (old, lease) = db.rows::<(uuid::Uuid, uuid::Uuid)>("select job_id, lease_id from running").await[0];
    let released = || {
        tidemill::store::attempts::settle::Settled::of(old, lease, Outcome::Released, Usage::default())
            .unwrap()
    };
    assert_eq!(states(&db.settle(&[released()]).await.unwrap()), [Some(JobState::Available)]);
    inserter.run("commit").await.unwrap();
    let again = db.claim_one().await;
    assert_eq!(again.id, old);
    assert_eq!(end(&db, &again, Outcome::Released).await, "cancelled");
    assert_eq!(db.count("jobs_live").await, 1);
}

#[tokio::test]
async fn a_retrying_job_that_is_just_taken_gives_way_behind_that_attempt() {
    let db = Db::new().await;
    let old = in_status(&db, "retrying", queued()).await;
    db.execute("update jobs_live set run_at = now()").await;
    // As a claim that is not committed yet.
    let mut claimer = Session::begin(&db).await;
    claimer.run(&format!("select 1 from jobs_live where id = '{old}' for update")).await.unwrap();
    let new = created(&db, queued()).await;
    claimer.run("commit").await.unwrap();
    assert_eq!(db.state(old).await, "available");
    let claimed = db.claim_some("default", "k", 2).await;
    let again = claimed.iter().find(|claimed| claimed.id == old).unwrap();
    assert_eq!(end(&db, again, failure()).await, "cancelled");
    assert_eq!(reason(&db, old).await, json!(format!("superseded by {new}")));
    db.check_invariants().await;
}

#[tokio::test]
async fn b7_key_is_kept_after_completion_freed_by_cleanup_shared_across_names_and_survives_partition_boundary()
 {
    let db = Db::new().await;
    let unique = json!({"key": "one", "states": super::all_but(&["failed", "cancelled"])});
    let done = in_status(&db, "completed", unique_job(json!({}), unique.clone())).await;
    assert_eq!(existing(&db, unique_job(json!({"a": 1}), unique.clone())).await, done);
    let other = NewJob { kind: "other".into(), ..unique_job(json!({}), unique.clone()) };
    assert_eq!(existing(&db, other).await, done);
    // As it will be found tomorrow.
    db.execute("update jobs set finished_at = finished_at - interval '1 day' where finished_at is not null")
        .await;
    assert_eq!(existing(&db, unique_job(json!({}), unique.clone())).await, done);
    // The keeper leaves the key of a job that is kept, and takes that of one that is gone.
    let age = "update unique_keys set seen_at = now() - interval '2 hours'";
    db.execute(age).await;
    db.prune().await.unwrap();
    assert_eq!(db.count("unique_keys").await, 1);
    db.execute("update jobs set retain_until = now() - interval '1 s'").await;
    db.prune().await.unwrap();
    let new = created(&db, unique_job(json!({}), unique.clone())).await;
    assert_ne!(new, done);
    db.cancel(new, None, "me").await.unwrap();
    db.delete_job(new).await.unwrap();
    db.execute(age).await;
    db.prune().await.unwrap();
    assert_eq!(db.count("unique_keys").await, 0);
    created(&db, unique_job(json!({}), unique)).await;
}

#[tokio::test]
async fn a_settled_batch_takes_keys_in_order() {
    let db = Db::new().await;
    for n in 0..4 {
        created(&db, unique_job(json!({ "n": n }), json!({}))).await;
    }
    let claimed = db.claim_some("default", "k", 4).await;
    for one in &claimed {
        assert_eq!(end(&db, one, Outcome::Released).await, "available");
    }
}
