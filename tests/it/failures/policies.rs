//! When a failed job is tried again, and when not.

use std::time::Duration;

use serde_json::json;
use tidemill::JobState;
use tidemill::job::attempt::{Failure, Outcome, Usage};
use tidemill::store::attempts::settle::Settled;
use tidemill::store::kinds::KindRow;
use tidemill::{Backoff, Context, JobError, KindSettings, NewJob};
use uuid::Uuid;

use crate::support::{Db, Mill, job, ok, wait_for};

async fn fail(db: &Db, failure: Failure) -> &'static str {
    let claimed = db.running().await;
    let settled = Settled::of(claimed.id, claimed.lease_id, Outcome::Failed { failure }, Usage::default());
    let state = db.settle(settled.as_slice()).await.unwrap().remove(0).unwrap().state.word();
    db.execute("update jobs_live set kind = 'done'").await;
    state
}

fn failure(class: &str) -> Failure {
    Failure { message: "no".into(), class: class.into(), ..Failure::default() }
}

/// The same policy, set on the job itself.
fn fresh(mut new_job: NewJob) -> NewJob {
    new_job.id = Uuid::now_v7();
    new_job
}

async fn with(db: &Db, settings: KindSettings) {
    db.see_kind(&KindRow { name: "k".into(), source: "rust", settings: Some(settings) }).await.unwrap();
}

#[tokio::test]
async fn e1_delays_grow_to_their_cap_within_the_jitter_and_an_explicit_one_wins() {
    let db = Db::new().await;
    let backoff =
        Backoff { first: Duration::from_secs(60), factor: 2.0, max: Duration::from_secs(200), jitter: 0.1 };
    with(&db, KindSettings { backoff, max_attempts: 10, ..KindSettings::default() }).await;
    db.enqueue(job("k")).await;
    for expected in [60.0, 120.0, 200.0, 200.0] {
        db.execute("update jobs_live set run_at = now()").await;
        let claimed = db.claim_one().await;
        let outcome = Outcome::Failed { failure: failure("x") };
        let settled = Settled::of(claimed.id, claimed.lease_id, outcome, Usage::default());
        db.settle(settled.as_slice()).await.unwrap();
        let delay: f64 = db.scalar("select extract(epoch from run_at - now())::float8 from jobs_live").await;
        assert!((expected * 0.9 - 2.0..=expected * 1.1).contains(&delay), "{delay} for {expected}");
    }
    // Jobs that failed together do not come back together.
    db.execute("delete from jobs_live; delete from running").await;
    db.enqueue_all(&vec![job("k"); 60].into_iter().map(fresh).collect::<Vec<_>>()).await;
    let settled: Vec<_> = db
        .claim_some("default", "k", 60)
        .await
        .iter()
        .filter_map(|claimed| {
            let outcome = Outcome::Failed { failure: failure("x") };
            Settled::of(claimed.id, claimed.lease_id, outcome, Usage::default())
        })
        .collect();
    db.settle(&settled).await.unwrap();
    let (least, most): (f64, f64) = db
        .rows(
            "select min(delay), max(delay)
             from (select extract(epoch from run_at - now())::float8 as delay from jobs_live) d",
        )
        .await[0];
    assert!(least >= 52.0 && most <= 66.0, "{least} to {most} are within a tenth of 60");
    assert!(least < 58.0 && most > 62.0, "{least} to {most} use what the jitter allows");
    db.execute("delete from jobs_live").await;
    let id = db.enqueue(job("k")).await;
    let claimed = db.claim_one().await;
    let outcome = Outcome::Failed { failure: Failure { retry_after_seconds: Some(7200.0), ..failure("x") } };
    let settled = Settled::of(id, claimed.lease_id, outcome, Usage::default());
    db.settle(settled.as_slice()).await.unwrap();
    let delay: f64 = db.scalar("select extract(epoch from run_at - now())::float8 from jobs_live").await;
    assert!((7195.0..=7200.0).contains(&delay), "{delay}");
}

#[tokio::test]
async fn e2_a_permanent_error_ends_at_once_by_word_and_by_class() {
    let db = Db::new().await;
    let permanent_errors = vec!["bad_args".into(), "auth".into()];
    with(&db, KindSettings { permanent_errors, ..KindSettings::default() }).await;
    assert_eq!(fail(&db, failure("network")).await, "available");
    assert_eq!(fail(&db, failure("auth")).await, "failed");
    assert_eq!(fail(&db, Failure { permanent: true, ..failure("network") }).await, "failed");
    let permanent: bool =
        db.scalar("select (error ->> 'permanent')::boolean from jobs where error ->> 'type' = 'auth'").await;
    assert!(permanent, "the job shows that it was final");
}

#[tokio::test]
async fn e3_a_retry_by_hand_works_from_each_state() {
    let db = Db::new().await;
    let retry = async |id| db.retry(id, "me").await.unwrap().unwrap();
    let running = db.running().await;
    assert_eq!(retry(running.id).await, JobState::Running, "it changes nothing");
    db.complete_one(&running).await;
    assert_eq!(retry(running.id).await, JobState::Available, "a completed one runs again");
    assert_eq!(db.claim_one().await.attempt, 2);
    let mut later = job("later");
    later.delay = Some(Duration::from_secs(3600));
    let later = db.enqueue(later).await;
    retry(later).await;
    assert_eq!(db.job(later).await.status, "available");
    db.cancel(later, None, "me").await.unwrap();
    assert_eq!(retry(later).await, JobState::Available);
    let fails = |class| Outcome::Failed { failure: failure(class) };
    let once = db.enqueue(NewJob { max_attempts: Some(1), ..job("fails") }).await;
    let claimed = db.claim_some("default", "fails", 1).await.remove(0);
    db.settle(Settled::of(once, claimed.lease_id, fails("x"), Usage::default()).as_slice()).await.unwrap();
    assert_eq!(db.state(once).await, "failed");
    assert_eq!(retry(once).await, JobState::Available);
    let again = db.claim_some("default", "fails", 1).await.remove(0);
    assert_eq!((again.attempt, again.max_attempts), (2, 2), "a failed one has one more attempt");
    db.settle(Settled::of(once, again.lease_id, fails("x"), Usage::default()).as_slice()).await.unwrap();
    assert_eq!(db.state(once).await, "failed");
    let waiting = db.enqueue(job("fails")).await;
    let claimed = db.claim_some("default", "fails", 1).await.remove(0);
    let slowly = Outcome::Failed { failure: Failure { retry_after_seconds: Some(3600.0), ..failure("x") } };
    db.settle(Settled::of(waiting, claimed.lease_id, slowly, Usage::default()).as_slice()).await.unwrap();
    assert!(db.claim_some("default", "fails", 1).await.is_empty());
    assert_eq!(retry(waiting).await, JobState::Available);
    let again = db.claim_some("default", "fails", 1).await.remove(0);
    assert_eq!((again.id, again.attempt), (waiting, 2), "one that waits for its retry runs at once");
    assert_eq!(db.retry(uuid::Uuid::now_v7(), "me").await.unwrap(), None);
}

#[tokio::test]
async fn e4_a_retry_keeps_what_the_job_has() {
    let db = Db::new().await;
    let mut new_job = job("k");
    new_job.priority = Some(2);
    new_job.tags = vec!["red".into()];
    new_job.metadata = json!({"a": 1}).as_object().cloned();
    new_job.expires_in = Some(Duration::from_secs(3600));
    let id = db.enqueue(new_job).await;
    let before = db.job(id).await;
    let claimed = db.claim_one().await;
    let draft = tidemill::job::event::EventDraft::progress(Some(30.0), Some("a third"), None);
    let report =
        tidemill::store::attempts::report::Reported { job_id: id, lease_id: claimed.lease_id, draft };
    db.report(uuid::Uuid::new_v4(), &[report]).await.unwrap();
    let outcome = Outcome::Failed { failure: failure("x") };
    db.settle(Settled::of(id, claimed.lease_id, outcome, Usage::default()).as_slice()).await.unwrap();
    let after = db.job(id).await;
    assert_eq!((after.priority, &after.tags, &after.metadata), (2, &before.tags, &before.metadata));
    assert_eq!((after.expires_at, after.status.as_str()), (before.expires_at, "retrying"));
    assert_eq!(after.progress.unwrap().percent, Some(30.0));
}

#[tokio::test]
async fn e5_a_job_that_kills_its_workers_ends_failed() {
    let db = Db::new().await;
    let mut poison = job("k");
    poison.max_attempts = Some(3);
    let id = db.enqueue(poison).await;
    for attempt in 1..=3 {
        db.execute("update jobs_live set run_at = now()").await;
        assert_eq!(db.claim_one().await.attempt, attempt);
        db.expire(id).await;
        db.sweep().await.unwrap();
    }
    let ended = db.job(id).await;
    assert_eq!((ended.state.word(), &ended.error.unwrap()["type"]), ("failed", &json!("lease_expired")));
    assert_eq!(db.count("attempts where outcome = 'crashed'").await, 3);
}

#[tokio::test]
async fn an_attempt_keeps_its_last_log_lines_and_a_handler_says_when_to_try_again() {
    let db = Db::new().await;
    let mill = Mill::builder(&db.store)
        .handler("talks", |context: Context| async move {
            if context.attempt().attempt == 2 {
                return ok(None);
            }
            for n in 0..50 {
                context.log(&format!("line {n}")).await;
            }
            Err(JobError::retry_after(Duration::from_millis(10), "not yet").backtrace("at main"))
        })
        .start();
    let id = db.enqueue(job("talks")).await;
    wait_for("it completes", || async { (db.state(id).await == "completed").then_some(()) }).await;
    let attempt = db.attempts(id).await.unwrap().remove(0);
    let expected: Vec<_> = (30..50).map(|n| format!("line {n}")).collect();
    assert_eq!(attempt.log_tail.unwrap(), expected.join("\n"));
    assert_eq!(attempt.error.unwrap()["backtrace"], "at main");
    mill.stop().await;
}
