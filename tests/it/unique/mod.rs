//! Uniqueness: which jobs have one key, which of them stand in the way of the next, and what becomes of
//! that one; by Rust, SQL and HTTP, in one process and between rivals.

mod conflicts;
mod keys;
mod periods;
mod races;
mod rest;
mod superseded;

use serde_json::{Map, Value, json};
use tidemill::job::attempt::{Failure, Outcome, Usage};
use tidemill::store::attempts::claim::Claimed;
use tidemill::store::attempts::settle::Settled;
use tidemill::store::jobs::enqueue::{Enqueued, InsertOutcome};
use tidemill::{NewJob, Unique};

use crate::support::Db;

/// Only the queued ones stand in the way.
const QUEUED: [&str; 3] = ["scheduled", "available", "waiting"];

fn args(args: Value) -> Map<String, Value> {
    let Value::Object(args) = args else { panic!("args are an object") };
    args
}

/// A job of kind `k` with args and a unique rule.
fn unique_job(with: Value, unique: Value) -> NewJob {
    NewJob { unique: Some(Unique::read(&unique).unwrap()), ..NewJob::new("k", args(with)) }
}

async fn put(db: &Db, job: NewJob) -> Enqueued {
    db.enqueue_all(&[job]).await.remove(0)
}

/// Enqueues a job that must be new.
async fn created(db: &Db, job: NewJob) -> uuid::Uuid {
    let made = put(db, job).await;
    assert_eq!(made.outcome, InsertOutcome::Created);
    made.id
}

/// Enqueues a job that must find another one with its key.
async fn existing(db: &Db, job: NewJob) -> uuid::Uuid {
    let made = put(db, job).await;
    assert_eq!(made.outcome, InsertOutcome::Existing);
    made.id
}

async fn end(db: &Db, claimed: &Claimed, outcome: Outcome) -> &'static str {
    let settled = Settled::of(claimed.id, claimed.lease_id, outcome, Usage::default()).unwrap();
    db.settle(&[settled]).await.unwrap().remove(0).expect("the lease holds").state.word()
}

fn failure() -> Outcome {
    let failure =
        Failure { message: "no luck".into(), class: "test".into(), permanent: false, ..Failure::default() };
    Outcome::Failed { failure }
}

/// Brings a fresh job of kind `k` to a status; its unique rule is the given one.
async fn in_status(db: &Db, status: &str, job: NewJob) -> uuid::Uuid {
    let later = Some(std::time::Duration::from_secs(3600));
    let job = if status == "scheduled" { NewJob { delay: later, ..job } } else { job };
    let id = created(db, job).await;
    match status {
        "scheduled" | "available" => {}
        "waiting" => {
            db.execute(format!(
                "update jobs_live set state = 'waiting', run_at = 'infinity' where id = '{id}'"
            ))
            .await
        }
        "cancelled" => drop(db.cancel(id, None, "me").await.unwrap()),
        _ => {
            let claimed = db.claim_one().await;
            assert_eq!(claimed.id, id);
            match status {
                "retrying" => assert_eq!(end(db, &claimed, failure()).await, "available"),
                "completed" => assert!(db.complete_one(&claimed).await),
                "failed" => {
                    db.execute("update jobs_live set max_attempts = 1").await;
                    assert_eq!(end(db, &claimed, failure()).await, "failed");
                }
                _ => assert_eq!(status, "running"),
            }
        }
    }
    assert_eq!(db.job(id).await.status, status);
    id
}

fn all_but(left_out: &[&str]) -> Value {
    let states = tidemill::job::unique::STATUSES.iter().filter(|status| !left_out.contains(status));
    json!(states.collect::<Vec<_>>())
}
