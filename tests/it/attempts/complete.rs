//! Complete: moves a finished job to the history, once, and only for the holder of its lease.

use crate::support::states;
use serde_json::json;
use tidemill::JobState;
use tidemill::job::attempt::Usage;
use tidemill::store::attempts::claim::Claimed;
use tidemill::store::attempts::complete::Completed;
use tidemill::store::jobs::cancel::CancelOutcome;
use uuid::Uuid;

use crate::support::{Db, job, numbered};

fn done(claimed: &Claimed) -> Completed {
    Completed {
        job_id: claimed.id,
        lease_id: claimed.lease_id,
        result: Some(json!({ "of": claimed.args["n"] })),
        usage: Usage::default(),
    }
}

#[tokio::test]
async fn moves_the_job_to_the_history_with_its_result() {
    let db = Db::new().await;
    db.enqueue(numbered("k", 3)).await;
    let claimed = db.claim_one().await;
    let leased = db.complete(&[done(&claimed)]).await.unwrap().leased;
    assert!(leased.contains(&(claimed.id, claimed.lease_id)));
    assert_eq!(db.count("jobs_live").await, 0);
    assert_eq!(db.count("running").await, 0);
    let found = db.job(claimed.id).await;
    assert_eq!(found.result, Some(json!({"of": 3})));
    assert_eq!((found.state.word(), found.attempt), ("completed", 1));
    assert_eq!(found.worker_id.as_deref(), Some("w"));
    let (started, finished) = (found.started_at.unwrap(), found.finished_at.unwrap());
    assert!(found.created_at <= started && started <= finished);
    let partition: String = db.scalar("select tableoid::regclass::text from jobs").await;
    assert_eq!(partition, finished.format("jobs_%Y_%m_%d").to_string());
    assert_eq!(db.event_types(claimed.id).await, Vec::<String>::new(), "the plain life costs no event");
}

#[tokio::test]
async fn a_lost_lease_changes_nothing() {
    let db = Db::new().await;
    let first = db.running().await;
    db.expire(first.id).await;
    assert_eq!(db.sweep().await.unwrap().len(), 1);
    assert!(!db.complete_one(&first).await, "swept");
    db.execute("update jobs_live set run_at = now()").await;
    let second = db.claim_one().await;
    assert_eq!((second.id, second.attempt), (first.id, 2));
    assert!(!db.complete_one(&first).await, "the next attempt has the job");
    assert_eq!(db.state(first.id).await, "running");
    let forged = Completed { lease_id: Uuid::new_v4(), ..done(&second) };
    assert!(db.complete(&[forged]).await.unwrap().leased.is_empty());
    assert!(db.complete_one(&second).await);
    db.check_invariants().await;
}

#[tokio::test]
async fn twice_is_once() {
    let db = Db::new().await;
    let claimed = db.running().await;
    assert!(db.complete_one(&claimed).await);
    let before = db.job(claimed.id).await.finished_at;
    assert!(!db.complete_one(&claimed).await);
    assert_eq!(db.job(claimed.id).await.finished_at, before);
    assert_eq!(db.count("jobs").await, 1);
}

#[tokio::test]
async fn d2_a_batch_with_a_lost_lease_completes_the_rest() {
    let db = Db::new().await;
    db.enqueue_all(&[numbered("k", 1), numbered("k", 2), numbered("k", 3)]).await;
    let claimed = db.claim_some("default", "k", 3).await;
    db.expire(claimed[1].id).await;
    db.sweep().await.unwrap();
    // The same lease twice in one batch counts once.
    let batch: Vec<Completed> = claimed.iter().chain(&claimed[..1]).map(done).collect();
    let leased = db.complete(&batch).await.unwrap().leased;
    assert_eq!(leased, [0, 2].map(|at: usize| (claimed[at].id, claimed[at].lease_id)).into());
    assert_eq!(db.count("jobs where state = 'completed'").await, 2);
    assert_eq!(db.state(claimed[1].id).await, "available");
    db.check_invariants().await;
}

#[tokio::test]
async fn a_completed_job_whose_cancel_came_too_late_stays_completed() {
    let db = Db::new().await;
    let claimed = db.running().await;
    assert_eq!(db.cancel(claimed.id, None, "me").await.unwrap(), Some(CancelOutcome::CancelRequested));
    assert!(db.complete_one(&claimed).await);
    assert_eq!(db.state(claimed.id).await, "completed");
    assert_eq!(db.cancel(claimed.id, None, "me").await.unwrap(), Some(CancelOutcome::Completed));
}

#[tokio::test]
async fn makes_the_days_partition_if_it_is_missing() {
    let db = Db::new().await;
    let claimed = db.running().await;
    drop_todays_partitions(&db).await;
    let usage = Usage { exit_code: Some(0), peak_memory_bytes: Some(42), ..Usage::default() };
    let item = Completed { usage, ..done(&claimed) };
    assert_eq!(db.complete(&[item]).await.unwrap().leased.len(), 1);
    assert_eq!(db.state(claimed.id).await, "completed");
}

#[tokio::test]
async fn keeps_what_the_process_used() {
    let db = Db::new().await;
    let claimed = db.running().await;
    let usage = Usage { exit_code: Some(0), peak_memory_bytes: Some(42), ..Usage::default() };
    db.complete(&[Completed { usage, ..done(&claimed) }]).await.unwrap();
    let attempts = db.attempts(claimed.id).await.unwrap();
    assert_eq!(attempts.len(), 1);
    assert_eq!((attempts[0].outcome.as_str(), attempts[0].peak_memory_bytes), ("completed", Some(42)));
}

#[tokio::test]
async fn usage_that_cannot_be_stored_completes_nothing() {
    let db = Db::new().await;
    let claimed = db.running().await;
    db.execute("alter table attempts add constraint full_up check (false)").await;
    let usage = Usage { exit_code: Some(0), ..Usage::default() };
    assert!(db.complete(&[Completed { usage, ..done(&claimed) }]).await.is_err());
    assert_eq!(db.state(claimed.id).await, "running", "an error must mean that nothing was done");
    assert!(db.complete_one(&claimed).await);
}

/// As if the keeper had not run for weeks.
pub(crate) async fn drop_todays_partitions(db: &Db) {
    db.execute(
        "do $$
         declare part text;
         begin
           for part in select inhrelid::regclass from pg_inherits
             where inhparent in ('jobs_finished'::regclass, 'events'::regclass, 'attempts'::regclass)
               and inhrelid::regclass::text ~ '_\\d{4}_\\d{2}_\\d{2}$'
           loop
             execute format('drop table %s', part);
           end loop;
         end $$",
    )
    .await;
}

#[tokio::test]
async fn every_ending_makes_the_missing_partitions() {
    use tidemill::job::attempt::{Failure, Outcome};
    use tidemill::store::attempts::settle::Settled;
    let db = Db::new().await;
    let failing = db.running().await;
    let crashing = db.running().await;
    db.execute("update jobs_live set max_attempts = 1").await;
    db.expire(crashing.id).await;
    let waiting = db.enqueue(job("other")).await;
    drop_todays_partitions(&db).await;
    assert_eq!(db.cancel(waiting, None, "me").await.unwrap(), Some(CancelOutcome::Cancelled));

    drop_todays_partitions(&db).await;
    let failure = Failure { message: "no".into(), class: "x".into(), permanent: true, ..Failure::default() };
    let settled = Settled::of(failing.id, failing.lease_id, Outcome::Failed { failure }, Usage::default());
    assert_eq!(states(&db.settle(&[settled.unwrap()]).await.unwrap()), [Some(JobState::Failed)]);

    drop_todays_partitions(&db).await;
    assert_eq!(db.sweep().await.unwrap().len(), 1);
    assert_eq!(db.state(crashing.id).await, "failed");
}
