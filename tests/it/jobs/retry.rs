//! Retry, run-now and snooze: the manual verbs that change when a job runs, each with its event.

use std::time::Duration;

use serde_json::json;
use tidemill::JobState;
use tidemill::NewJob;
use uuid::Uuid;

use crate::support::{Db, job};

#[tokio::test]
async fn a_finished_job_becomes_live_again_with_one_more_attempt() {
    let db = Db::new().await;
    let id = db.enqueue(NewJob { max_attempts: Some(1), execution_id: Some("e".into()), ..job("k") }).await;
    let claimed = db.claim_one().await;
    db.expire(id).await;
    db.sweep().await.unwrap();
    assert_eq!(db.state(id).await, "failed");
    assert_eq!(db.retry(id, "me").await.unwrap(), Some(JobState::Available));
    let found = db.job(id).await;
    assert_eq!((found.status.as_str(), found.max_attempts, found.finished_at), ("retrying", 2, None));
    assert_eq!(db.job_id_of("e").await.unwrap(), Some(id));
    assert!(!db.complete_one(&claimed).await, "the old lease stays dead");
    let again = db.claim_one().await;
    assert_eq!((again.id, again.attempt), (id, 2));
    assert_ne!(again.lease_id, claimed.lease_id);
    assert!(db.complete_one(&again).await);
    assert_eq!(db.event_types(id).await, ["lease_lost", "retry"]);
    db.check_invariants().await;
}

#[tokio::test]
async fn a_completed_and_a_cancelled_job_can_be_retried_too() {
    let db = Db::new().await;
    let completed = db.running().await;
    db.complete_one(&completed).await;
    let cancelled = db.enqueue(job("other")).await;
    db.cancel(cancelled, None, "me").await.unwrap();
    for id in [completed.id, cancelled] {
        assert_eq!(db.retry(id, "me").await.unwrap(), Some(JobState::Available));
        let found = db.job(id).await;
        assert!(found.result.is_none() && found.cancel_requested_at.is_none());
    }
    assert_eq!(db.claim_one().await.attempt, 2);
    db.check_invariants().await;
}

#[tokio::test]
async fn of_many_retries_of_one_job_one_counts() {
    let db = Db::new().await;
    let claimed = db.running().await;
    db.complete_one(&claimed).await;
    let mut racers = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (store, id) = (db.store.clone(), claimed.id);
        racers.spawn(async move { store.retry(id, "me").await.unwrap() });
    }
    assert!(racers.join_all().await.iter().all(|state| *state == Some(JobState::Available)));
    assert_eq!(db.count("jobs").await, 1);
    assert_eq!(db.event_types(claimed.id).await, ["retry"]);
}

#[tokio::test]
async fn run_now_makes_a_scheduled_job_due_and_leaves_others_alone() {
    let db = Db::new().await;
    let id = db.enqueue(NewJob { delay: Some(Duration::from_secs(3600)), ..job("k") }).await;
    assert_eq!(db.run_now(id, "me").await.unwrap(), Some(JobState::Available));
    let claimed = db.claim_one().await;
    assert_eq!((claimed.id, claimed.attempt), (id, 1));
    assert_eq!(db.run_now(id, "me").await.unwrap(), Some(JobState::Running));
    db.complete_one(&claimed).await;
    assert_eq!(db.run_now(id, "me").await.unwrap(), Some(JobState::Completed));
    assert_eq!(db.run_now(Uuid::now_v7(), "me").await.unwrap(), None);
    assert_eq!(db.retry(Uuid::now_v7(), "me").await.unwrap(), None);
    assert_eq!(db.event_types(id).await, ["retry"]);
}

#[tokio::test]
async fn snooze_puts_off_a_job_that_does_not_run() {
    let db = Db::new().await;
    let id = db.enqueue(job("k")).await;
    let snooze = format!("select snooze('{id}', '1 hour', 'me')");
    assert_eq!(db.scalar::<String>(snooze.clone()).await, "available");
    assert!(db.claim_some("default", "k", 1).await.is_empty());
    let events = db.events_after(id, 0, &[], 10).await.unwrap();
    assert_eq!((events[0].kind.as_str(), &events[0].data["by"]), ("snoozed", &json!("me")));
    let agrees: bool = db
        .scalar("select (e.data ->> 'run_at')::timestamptz = j.run_at from events e join jobs_live j on j.id = e.job_id")
        .await;
    assert!(agrees, "the event must say what the row says");
    db.run_now(id, "me").await.unwrap();
    db.claim_one().await;
    assert_eq!(db.scalar::<String>(snooze).await, "running");
    assert_eq!(db.event_types(id).await, ["snoozed", "retry"]);
}
