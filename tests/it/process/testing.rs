//! The helpers for tests of others: jobs run when the test says so, time passes when it says so.

use std::time::Duration;

use serde_json::json;
use tidemill::store::attempts::claim::{ClaimRequest, Position, Terms};
use tidemill::testing::{Drained, TestMill};
use tidemill::{After, Backoff, Breaker, Context, Handler, JobError, KindSettings, NewJob};

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
    let long_job = mill.enqueue(job("patient")).await.unwrap();
    let drained =
        mill.drain(|worker| worker.handler_with(ThirdTime, slow.clone()).handler(Patient)).await.unwrap();
    assert_eq!(drained, Drained { left: 2, ..Drained::default() });
    assert_eq!(
        (mill.job(third).await.status.as_str(), mill.job(long_job).await.status.as_str()),
        ("retrying", "scheduled")
    );
    let drained =
        mill.drain_all(|worker| worker.handler_with(ThirdTime, slow).handler(Patient)).await.unwrap();
    assert_eq!(drained, Drained { completed: 2, ..Drained::default() });
    assert_eq!(mill.job(long_job).await.result, Some(json!(false)));
    let types: Vec<_> = mill.events(third).await.unwrap().into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(types, ["attempt_failed", "retry", "attempt_failed", "retry"]);
    mill.finish().await.unwrap();
}

#[tokio::test]
async fn one_job_is_run_now_and_time_is_advanced_by_hand() {
    let db = Db::empty().await;
    let mill = mill(&db).await;
    let due = mill.enqueue(numbered("count-down", 5)).await.unwrap();
    let new_job = NewJob { delay: Some(Duration::from_secs(3600)), ..numbered("count-down", 1) };
    let done = mill.run_now(new_job, |worker| worker.handler(CountDown)).await.unwrap();
    assert_eq!((done.status.as_str(), done.result), ("completed", Some(json!(1))), "due or not");
    assert_eq!(mill.job(due).await.status, "available", "no other job runs");
    mill.assert_enqueued("count-down", |job| job.args["n"] == 0 && job.status == "available").await;
    let failed = mill.run_now(job("third-time"), |worker| worker.handler(ThirdTime)).await.unwrap();
    assert_eq!((failed.status.as_str(), failed.attempt), ("retrying", 1), "one attempt");
    let held = NewJob { after: vec![After::job(due)], ..numbered("count-down", 0) };
    let refusal = mill.run_now(held, |worker| worker.handler(CountDown)).await.unwrap_err().to_string();
    assert!(refusal.contains("is waiting and cannot be run now"), "{refusal}");
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

/// Says how far it is, remembers a step, and greets; refuses nobody.
struct Greet;

impl Handler for Greet {
    const KIND: &'static str = "greet";
    type Args = serde_json::Value;
    type Output = String;

    async fn run(&self, context: Context, args: serde_json::Value) -> Result<String, JobError> {
        context.progress(50.0, "half").await;
        let name: String = context.step("name", || async { Ok(args["name"].to_string()) }).await?;
        if name == "\"nobody\"" {
            Err(JobError::retry("there is nobody"))
        } else {
            Ok(format!("Hello, {name}"))
        }
    }
}

#[tokio::test]
async fn a_job_runs_in_a_transaction_of_the_test_s_and_vanishes_with_it() {
    let db = Db::empty().await;
    let mill = mill(&db).await;
    let mut transaction = db.pool().begin().await.unwrap();
    let new_job = |name: &str| {
        let mut new_job = job("greet");
        new_job.args.insert("name".into(), json!(name));
        new_job
    };
    let path = "select current_setting('search_path')";
    let before: String = sqlx::query_scalar(path).fetch_one(&mut *transaction).await.unwrap();
    let done = mill.run_now_in(&mut transaction, new_job("ann"), Greet).await.unwrap();
    assert_eq!((done.status.as_str(), done.result), ("completed", Some(json!("Hello, \"ann\""))));
    assert_eq!(done.progress.unwrap().percent, Some(50.0));
    let failed = mill.run_now_in(&mut transaction, new_job("nobody"), Greet).await.unwrap();
    assert_eq!((failed.status.as_str(), failed.attempt), ("retrying", 1));
    assert_eq!(failed.error.unwrap()["message"], "there is nobody");
    let refused = mill.run_now_in(&mut transaction, numbered("count-down", 1), CountDown).await.unwrap();
    assert!(refused.error.unwrap()["message"].as_str().unwrap().contains("no database"));
    let after: String = sqlx::query_scalar(path).fetch_one(&mut *transaction).await.unwrap();
    assert_eq!(after, before, "the test's connection is as it was");
    mill.refute_enqueued("greet", |_| true).await;
    transaction.rollback().await.unwrap();
    mill.refute_enqueued("greet", |_| true).await;
    let mut transaction = db.pool().begin().await.unwrap();
    let kept = mill.run_now_in(&mut transaction, new_job("bob"), Greet).await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(mill.job(kept.id).await.status, "completed");
    mill.finish().await.unwrap();
}

#[tokio::test]
async fn a_mill_brings_a_postgres_of_its_own_and_takes_it_along() {
    let mill = TestMill::start().await.unwrap();
    let id = mill.enqueue(numbered("count-down", 2)).await.unwrap();
    let drained = mill.drain(|worker| worker.handler(CountDown)).await.unwrap();
    assert_eq!(drained, Drained { completed: 3, ..Drained::default() });
    assert_eq!(mill.job(id).await.status, "completed");
    let store = mill.store().clone();
    let folder: String =
        sqlx::query_scalar("show data_directory").fetch_one(store.pool().bare()).await.unwrap();
    assert!(std::fs::exists(&folder).unwrap());
    mill.finish().await.unwrap();
    assert!(!std::fs::exists(&folder).unwrap(), "{folder}");
}

async fn sql(mill: &TestMill, statement: &'static str) {
    sqlx::raw_sql(statement).execute(mill.store().pool().bare()).await.unwrap();
}

#[tokio::test]
async fn time_that_is_advanced_passes_for_leases() {
    let db = Db::empty().await;
    let mill = mill(&db).await;
    let id = mill.enqueue(numbered("count-down", 0)).await.unwrap();
    let kinds = ["count-down".to_owned()];
    let request = ClaimRequest {
        queue: "default",
        kinds: &kinds,
        limit: 1,
        cursor: &[Position::HEAD; 9],
        worker_id: "dies",
        lease_ttl_seconds: 3000.0,
        picked: &[],
        terms: Terms::default(),
    };
    assert_eq!(mill.store().claim(&request).await.unwrap().len(), 1);
    mill.advance(Duration::from_secs(2000)).await.unwrap();
    assert!(mill.store().sweep().await.unwrap().is_empty());
    mill.advance(Duration::from_secs(1001)).await.unwrap();
    let drained = mill.drain_all(|worker| worker.handler(CountDown)).await.unwrap();
    assert_eq!(drained, Drained { completed: 1, ..Drained::default() }, "its lease ran out");
    let types: Vec<_> = mill.events(id).await.unwrap().into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(types, ["lease_lost", "retry"]);
    mill.finish().await.unwrap();
}

#[tokio::test]
async fn time_that_is_advanced_passes_for_schedules() {
    let db = Db::empty().await;
    let mill = mill(&db).await;
    sql(&mill, r#"select set_schedule('hourly', 'count-down', '{"n": 0}', every => '1 hour')"#).await;
    let drain = async || mill.drain(|worker| worker.handler(CountDown)).await.unwrap().completed;
    assert_eq!(drain().await, 0);
    mill.advance(Duration::from_secs(3000)).await.unwrap();
    assert_eq!(drain().await, 0);
    mill.advance(Duration::from_secs(700)).await.unwrap();
    assert_eq!(drain().await, 1);
    assert_eq!(drain().await, 0, "once a slot");
    mill.advance(Duration::from_secs(3600)).await.unwrap();
    assert_eq!(drain().await, 1);
    mill.finish().await.unwrap();
}

#[tokio::test]
async fn time_that_is_advanced_passes_for_rates_and_breakers() {
    let db = Db::empty().await;
    let mill = mill(&db).await;
    sql(&mill, "select set_limit('slowly', rate => 1, per => '1 hour')").await;
    for _ in 0..3 {
        let new_job = NewJob { concurrency_keys: vec!["slowly".into()], ..numbered("count-down", 0) };
        mill.enqueue(new_job).await.unwrap();
    }
    let drain = async || mill.drain(|worker| worker.handler(CountDown)).await.unwrap().completed;
    assert_eq!(drain().await, 1, "one in an hour");
    assert_eq!(drain().await, 0);
    mill.advance(Duration::from_secs(3000)).await.unwrap();
    assert_eq!(drain().await, 0);
    mill.advance(Duration::from_secs(700)).await.unwrap();
    assert_eq!(drain().await, 1);
    let rest = mill.drain_all(|worker| worker.handler(CountDown)).await.unwrap();
    assert_eq!((rest.completed, rest.left), (1, 0), "with time all of them");

    let breaker = Breaker { after: 1, window: Duration::from_secs(600), pause: Duration::from_secs(3600) };
    let settings = KindSettings { breaker: Some(breaker), ..KindSettings::default() };
    let drain = async || {
        mill.drain(|worker| worker.handler_with(CountDown, settings.clone())).await.unwrap().completed
    };
    assert_eq!(drain().await, 0);
    sql(&mill, "select note_crash('count-down')").await;
    mill.enqueue(numbered("count-down", 0)).await.unwrap();
    assert_eq!(drain().await, 0, "its breaker is open");
    mill.advance(Duration::from_secs(3000)).await.unwrap();
    assert_eq!(drain().await, 0);
    mill.advance(Duration::from_secs(700)).await.unwrap();
    assert_eq!(drain().await, 1);
    mill.finish().await.unwrap();
}
