//! The helpers for tests of others: jobs run when the test says so, time passes when it says so.

use std::time::Duration;

use serde_json::json;
use tidemill::testing::{Drained, TestMill};
use tidemill::{Backoff, Context, Handler, JobError, KindSettings, NewJob};

use crate::support::{Db, job, numbered};

/// Counts down by enqueueing the next number.
struct CountDown;

impl Handler for CountDown {
    const KIND: &'static str = "count-down";
    type Args = serde_json::Value;
    type Output = i64;

    async fn run(&self, context: Context, args: serde_json::Value) -> Result<i64, JobError> {
        let n = args["n"].as_i64().unwrap_or_default();
        if n > 0 {
            context.spawn("next", &numbered("count-down", n - 1)).await?;
        }
        Ok(n)
    }
}

/// Fails until its third attempt.
struct ThirdTime;

impl Handler for ThirdTime {
    const KIND: &'static str = "third-time";
    type Args = serde_json::Value;
    type Output = i32;

    async fn run(&self, context: Context, _: serde_json::Value) -> Result<i32, JobError> {
        match context.attempt().attempt {
            3 => Ok(3),
            _ => Err(JobError::retry("not yet")),
        }
    }
}

/// Sleeps a day, then waits a day for a signal that does not come.
struct Patient;

impl Handler for Patient {
    const KIND: &'static str = "patient";
    type Args = serde_json::Value;
    type Output = bool;

    async fn run(&self, context: Context, _: serde_json::Value) -> Result<bool, JobError> {
        let day = Duration::from_secs(86_400);
        context.sleep("a day", day).await?;
        Ok(context.signal::<bool>("go", Some(day)).await?.unwrap_or(false))
    }
}

async fn mill(db: &Db) -> TestMill {
    TestMill::over(db.options().url).await.unwrap()
}

#[tokio::test]
async fn i3_a_drain_runs_what_is_due_and_what_that_enqueues() {
    let db = Db::empty().await;
    let mill = mill(&db).await;
    mill.enqueue(numbered("count-down", 4)).await.unwrap();
    mill.enqueue(job("nobody")).await.unwrap();
    mill.enqueue(NewJob { delay: Some(Duration::from_secs(3600)), ..numbered("count-down", 0) })
        .await
        .unwrap();
    mill.assert_enqueued("count-down", |job| job.args["n"] == 4).await;
    mill.refute_enqueued("count-down", |job| job.args["n"] == 3).await;
    let drained = mill.drain(|worker| worker.handler(CountDown)).await.unwrap();
    assert_eq!(drained, Drained { completed: 5, left: 2, ..Drained::default() });
    let results: Vec<_> =
        mill.jobs("count-down").await.unwrap().into_iter().filter_map(|job| job.result).collect();
    assert_eq!(results, [json!(4), json!(3), json!(2), json!(1), json!(0)]);
    let drained = mill.drain_all(|worker| worker.handler(CountDown)).await.unwrap();
    assert_eq!(drained, Drained { completed: 1, left: 1, ..Drained::default() });
    mill.finish().await.unwrap();
    assert_eq!(db.count("pg_namespace where nspname like 'tidemill_test_%'").await, 0);
}

#[tokio::test]
async fn i3_errors_retries_and_time_are_drained_as_fast_as_they_can() {
    let db = Db::empty().await;
    let mill = mill(&db).await;
    let slow = KindSettings {
        backoff: Backoff { first: Duration::from_secs(3600), ..Backoff::default() },
        ..KindSettings::default()
    };
    let third = mill.enqueue(job("third-time")).await.unwrap();
    let patient = mill.enqueue(job("patient")).await.unwrap();
    let drained =
        mill.drain(|worker| worker.handler_with(ThirdTime, slow.clone()).handler(Patient)).await.unwrap();
    assert_eq!(drained, Drained { left: 2, ..Drained::default() });
    assert_eq!(
        (mill.job(third).await.status.as_str(), mill.job(patient).await.status.as_str()),
        ("retrying", "scheduled")
    );
    let drained =
        mill.drain_all(|worker| worker.handler_with(ThirdTime, slow).handler(Patient)).await.unwrap();
    assert_eq!(drained, Drained { completed: 2, ..Drained::default() });
    assert_eq!(mill.job(patient).await.result, Some(json!(false)));
    let types: Vec<_> = mill.events(third).await.unwrap().into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(types, ["attempt_failed", "retry", "attempt_failed", "retry"]);
    mill.finish().await.unwrap();
}

#[tokio::test]
async fn one_job_is_run_now_and_time_is_advanced_by_hand() {
    let db = Db::empty().await;
    let mill = mill(&db).await;
    let done = mill.run_now(numbered("count-down", 0), |worker| worker.handler(CountDown)).await.unwrap();
    assert_eq!((done.status.as_str(), done.result), ("completed", Some(json!(0))));
    let later = mill
        .enqueue(NewJob { delay: Some(Duration::from_secs(3600)), ..numbered("count-down", 0) })
        .await
        .unwrap();
    mill.advance(Duration::from_secs(3000)).await.unwrap();
    assert_eq!(mill.job(later).await.status, "scheduled");
    mill.advance(Duration::from_secs(700)).await.unwrap();
    assert_eq!(mill.job(later).await.status, "available");
    mill.finish().await.unwrap();
}

#[tokio::test]
#[should_panic(expected = "no job of kind mail fits; there are")]
async fn a_failed_assertion_shows_what_there_is() {
    let db = Db::empty().await;
    let mill = mill(&db).await;
    mill.enqueue(job("mail")).await.unwrap();
    mill.assert_enqueued("mail", |job| job.queue == "other").await;
}
