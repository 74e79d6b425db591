//! How a handler's word becomes the job's end.

use std::time::Duration;

use serde_json::{Value, json};
use tidemill::{Handler, JobError, KindSettings, NewJob, StopReason};

use super::{Witness, until_state};
use crate::support::{Db, Mill, job, numbered, ok, wait_for};

#[tokio::test]
async fn a_result_is_stored_after_all_that_was_reported() {
    let db = Db::new().await;
    let mill = Mill::builder(&db)
        .handler("k", |context| async move {
            for n in 0..50 {
                context.log(&format!("line {n}")).await;
            }
            context.progress(30.0, "half").await;
            context.event("built", json!({"files": 2})).await;
            context.event("completed", json!(1)).await;
            context.progress(60.0, "more").await;
            ok(json!({"n": context.args()["n"]}))
        })
        .start();
    let id = db.enqueue(numbered("k", 5)).await;
    until_state(&db, id, "completed").await;
    let found = db.job(id).await;
    assert_eq!(found.result, Some(json!({"n": 5})));
    assert_eq!((found.attempt, found.worker_id), (1, Some(mill.id.clone())));
    let events = db.events_after(id, 0, &[], 100).await.unwrap();
    let lines: Vec<_> = events.iter().filter_map(|event| event.data["line"].as_str()).collect();
    let expected: Vec<_> = (0..50).map(|n| format!("line {n}")).collect();
    assert_eq!(lines, expected);
    let rest: Vec<_> = events[50..].iter().map(|event| event.kind.as_str()).collect();
    assert_eq!(rest, ["progress", "built", "custom_completed", "progress"]);
    let late: i64 = db
        .scalar("select count(*) from events e join jobs j on j.id = e.job_id where e.at > j.finished_at")
        .await;
    assert_eq!(late, 0, "an event was stored after the end");
    assert_eq!(found.progress.unwrap().percent, Some(60.0));
    mill.stop().await;
    db.check_invariants().await;
}

#[tokio::test]
async fn a_failure_is_retried_until_it_succeeds() {
    let db = Db::new().await;
    let mill = Mill::builder(&db)
        .handler("k", |context| async move {
            match context.attempt().attempt {
                1 => Err(JobError::retry("not yet").class("busy").backtrace("here")),
                2 => panic!("oh no"),
                attempt => ok(json!(attempt)),
            }
        })
        .start();
    let id = db.enqueue(job("k")).await;
    until_state(&db, id, "completed").await;
    let found = db.job(id).await;
    assert_eq!((found.result, found.attempt), (Some(json!(3)), 3));
    let attempts = db.attempts(id).await.unwrap();
    let errors: Vec<Value> = attempts.iter().map(|attempt| attempt.error.clone().unwrap()).collect();
    assert_eq!(
        errors[0],
        json!({"message": "not yet", "type": "busy", "permanent": false, "backtrace": "here"})
    );
    assert_eq!(errors[1]["type"], "panic");
    assert!(errors[1]["message"].as_str().unwrap().contains("oh no"));
    assert_eq!(db.event_types(id).await, ["attempt_failed", "retry", "attempt_failed", "retry"]);
    mill.stop().await;
}

#[tokio::test]
async fn a_permanent_failure_and_the_last_attempt_end_it() {
    let db = Db::new().await;
    let mill = Mill::builder(&db)
        .handler("permanent", |_| async { Err(JobError::permanent("never")) })
        .handler("retry", |_| async { Err(JobError::retry("again")) })
        .start();
    let permanent = db.enqueue(job("permanent")).await;
    let tired = db.enqueue(NewJob { max_attempts: Some(2), ..job("retry") }).await;
    until_state(&db, permanent, "failed").await;
    until_state(&db, tired, "failed").await;
    assert_eq!(db.job(permanent).await.attempt, 1);
    assert_eq!(db.job(permanent).await.error.unwrap()["permanent"], true);
    assert_eq!(db.job(tired).await.attempt, 2);
    mill.stop().await;
}

#[tokio::test]
async fn a_snooze_runs_the_job_again_as_the_same_attempt() {
    let db = Db::new().await;
    let witness = Witness::default();
    let seen = witness.clone();
    let mill = Mill::builder(&db)
        .handler("k", move |context| {
            let seen = seen.clone();
            async move {
                let _presence = seen.enter();
                if seen.begun() < 3 {
                    return Err(JobError::snooze(Duration::from_millis(50)));
                }
                ok(json!(context.attempt().attempt))
            }
        })
        .start();
    let id = db.enqueue(NewJob { max_attempts: Some(1), ..job("k") }).await;
    until_state(&db, id, "completed").await;
    assert_eq!(db.job(id).await.result, Some(json!(1)));
    assert_eq!(db.event_types(id).await, ["snoozed", "snoozed"]);
    assert_eq!(db.count("attempts").await, 0);
    mill.stop().await;
}

#[tokio::test]
async fn d1_a_handler_cancels_its_own_job() {
    let db = Db::new().await;
    let store = db.store.clone();
    let mill = Mill::builder(&db)
        .handler("k", move |context| {
            let store = store.clone();
            async move {
                store.cancel(context.job_id(), Some("nothing to do"), "itself").await.unwrap();
                assert_eq!(context.stopped().await, StopReason::Cancelled);
                Err(JobError::retry("it was stopped"))
            }
        })
        .start();
    let id = db.enqueue(job("k")).await;
    until_state(&db, id, "cancelled").await;
    assert_eq!(db.job(id).await.attempt, 1);
    mill.stop().await;
}

#[tokio::test]
async fn d1_a_snooze_of_no_time_and_a_short_one_come_back_after_it() {
    let db = Db::new().await;
    let mill = Mill::builder(&db)
        .handler("k", move |context| async move {
            Err(JobError::snooze(Duration::from_millis(context.args()["n"].as_u64().unwrap())))
        })
        .start();
    for delay in [0, 30] {
        let id = db.enqueue(numbered("k", delay)).await;
        wait_for("it comes back again and again", || async {
            (db.event_types(id).await.iter().filter(|kind| *kind == "snoozed").count() >= 3).then_some(())
        })
        .await;
        // Never before its time.
        let early: i64 = db
            .scalar(format!(
                "select count(*) from (
                   select at - lag(at) over (order by seq) as after from events where job_id = '{id}' and type = 'snoozed'
                 ) gaps
                 where after < interval '{delay} ms'"
            ))
            .await;
        assert_eq!(early, 0);
        assert_eq!(db.count(&format!("attempts where job_id = '{id}'")).await, 0);
        db.cancel(id, None, "me").await.unwrap();
        until_state(&db, id, "cancelled").await;
    }
    mill.stop().await;
}

#[tokio::test]
async fn d6_what_postgres_cannot_store_never_wedges_a_job() {
    let db = Db::new().await;
    let mill = Mill::builder(&db)
        .handler("nul", |context| async move {
            context.log("a\0b").await;
            context.progress(f64::NAN, "st\0ep").await;
            context.event("e\0v", json!({"k\0": "\0"})).await;
            ok(json!({"k\0ey": ["\0"]}))
        })
        .handler("nul-error", |_| async {
            Err(JobError::permanent("bad \0 message").class("c\0").backtrace("\0"))
        })
        .handler("nul-panic", |_| async { panic!("p\0") })
        .handler("huge", |_| async { ok(json!("x".repeat(3 << 20))) })
        .handler("huge-line", |context| async move {
            context.log(&"y".repeat(3 << 20)).await;
            ok(None)
        })
        .handler("deep", |_| async {
            let mut deep = json!(0);
            for _ in 0..1_000 {
                deep = Value::Array(vec![deep]);
            }
            ok(deep)
        })
        .start();
    let once = |kind: &str| NewJob { max_attempts: Some(1), ..job(kind) };
    let nul = db.enqueue(once("nul")).await;
    until_state(&db, nul, "completed").await;
    assert_eq!(db.job(nul).await.result, Some(json!({"k\\u0000ey": ["\\u0000"]})));
    let events = db.events_after(nul, 0, &[], 10).await.unwrap();
    assert_eq!(events[0].data["line"], "a\\u0000b");
    assert_eq!(events[2].kind, "e\\u0000v");
    for (kind, says) in [("nul-error", "bad \\u0000 message"), ("nul-panic", "p\\u0000")] {
        let id = db.enqueue(once(kind)).await;
        until_state(&db, id, "failed").await;
        let message = db.job(id).await.error.unwrap()["message"].as_str().unwrap().to_owned();
        assert!(message.contains(says), "{message}");
    }
    let huge = db.enqueue(job("huge")).await;
    until_state(&db, huge, "failed").await;
    let error = db.job(huge).await.error.unwrap();
    assert_eq!((error["type"].as_str(), &error["permanent"]), (Some("result_too_large"), &json!(true)));
    let line = db.enqueue(once("huge-line")).await;
    until_state(&db, line, "completed").await;
    let length: i32 =
        db.scalar(format!("select length(data ->> 'line') from events where job_id = '{line}'")).await;
    assert!(length < 128 * 1024, "{length}");
    let deep = db.enqueue(once("deep")).await;
    until_state(&db, deep, "completed").await;
    let stored = db.job(deep).await.result.unwrap().to_string();
    assert!(stored.contains("nested deeper than 100 levels"), "{stored}");
    mill.stop().await;
    db.check_invariants().await;
}

#[tokio::test]
async fn args_that_cannot_be_read_fail_for_good_and_alone() {
    let db = Db::new().await;
    let large: uuid::Uuid = db.scalar("select enqueue('k')").await;
    // Past the checks of every verb.
    db.execute("update jobs_live set args = '{\"large\": 1e400}'").await;
    let mill = Mill::builder(&db).handler("k", |context| async move { ok(context.args().clone()) }).start();
    let plain = db.enqueue(numbered("k", 1)).await;
    until_state(&db, large, "failed").await;
    until_state(&db, plain, "completed").await;
    let error = db.job(large).await.error.unwrap();
    assert_eq!((&error["type"], &error["permanent"]), (&json!("bad_args"), &json!(true)));
    mill.stop().await;
}

#[tokio::test]
async fn a_batch_with_one_result_that_cannot_be_stored_completes_the_rest() {
    let db = Db::new().await;
    // As if Postgres refused one of many values.
    db.execute("alter table jobs add constraint no_thirteen check (result is distinct from '13'::jsonb)")
        .await;
    let mill = Mill::builder(&db)
        .slots(50)
        .handler("k", |context| async move { ok(context.args()["n"].clone()) })
        .start();
    let jobs: Vec<NewJob> = (0..40).map(|n| numbered("k", n)).collect();
    db.enqueue_all(&jobs).await;
    super::until_drained(&db).await;
    assert_eq!(db.count("jobs where state = 'completed'").await, 39);
    let error: Value = db.scalar("select error from jobs where state = 'failed'").await;
    assert_eq!(error["type"], "bad_result");
    mill.stop().await;
}

#[tokio::test]
async fn an_end_that_the_database_refuses_fails_its_attempt_and_says_why() {
    let db = Db::new().await;
    db.execute(
        "create function refuse() returns trigger language plpgsql as $$ begin raise 'no more waits' using errcode = '22000'; end $$;
         create trigger refuse before insert on blocked_jobs for each row execute function refuse()",
    )
    .await;
    let mill = Mill::builder(&db)
        .handler("waiter", |context| async move {
            context.signal::<Value>("go", None).await?;
            ok(None)
        })
        .handler("k", |context| async move { ok(context.args()["n"].clone()) })
        .start();
    let waiter = db.enqueue(NewJob { max_attempts: Some(2), ..job("waiter") }).await;
    until_state(&db, waiter, "failed").await;
    let found = db.job(waiter).await;
    let error = found.error.unwrap();
    assert_eq!((found.attempt, &error["type"]), (2, &json!("bad_end")));
    assert!(error["message"].as_str().unwrap().contains("no more waits"), "{error}");
    assert_eq!(db.count("attempts where outcome = 'failed'").await, 2, "none is taken for a crash");
    let well = db.enqueue(numbered("k", 1)).await;
    until_state(&db, well, "completed").await;
    mill.stop().await;
}

struct Typed;

impl Handler for Typed {
    const KIND: &'static str = "typed";
    type Args = (u32,);
    type Output = u32;

    async fn run(&self, context: tidemill::Context, (n,): (u32,)) -> Result<u32, JobError> {
        assert_eq!(context.stop_reason(), None::<StopReason>);
        let parsed: u32 = "7".parse()?;
        Ok(n + parsed)
    }
}

#[tokio::test]
async fn d6_args_that_do_not_fit_the_handlers_type_fail_for_good() {
    let db = Db::new().await;
    let shutdown = tidemill::Shutdown::default();
    let worker =
        tidemill::Worker::builder(db.store.clone()).handler_with(Typed, KindSettings::default()).build();
    let running = tokio::spawn(worker.run(shutdown.clone()));
    let id = db.enqueue(numbered("typed", 1)).await;
    until_state(&db, id, "failed").await;
    assert_eq!(db.job(id).await.error.unwrap()["type"], "bad_args");
    shutdown.graceful.cancel();
    running.await.unwrap().unwrap();
    wait_for("the worker says goodbye", || async {
        (db.workers().await.unwrap()[0].state == "stopped").then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_rules_are_those_of_the_worker_that_ran_the_attempt() {
    let db = Db::new().await;
    let mut ours = KindSettings { permanent_errors: vec!["ours".into()], ..KindSettings::default() };
    ours.backoff.first = Duration::from_millis(20);
    let mill = Mill::builder(&db).handler_with("k", ours, |context| async move {
        let class = if context.attempt().attempt < 3 { "theirs" } else { "ours" };
        Err(JobError::retry("no").class(class))
    });
    let mill = mill.start();
    let first = db.enqueue(job("k")).await;
    until_state(&db, first, "failed").await;
    // A worker that starts later has others for the same kind.
    db.execute("update kinds set backoff_first = '1 hour', permanent_errors = '{theirs}'").await;
    let second = db.enqueue(job("k")).await;
    until_state(&db, second, "failed").await;
    assert_eq!(db.job(second).await.attempt, 3);
    mill.stop().await;
}
