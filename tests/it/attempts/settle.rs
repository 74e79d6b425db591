//! Settle: promise 6 — retries with a delay that is bounded and jittered, the end when attempts are
//! used up, and no attempt spent on a snooze or a hand-back.

use std::time::Duration;

use crate::support::states;
use tidemill::JobState;
use tidemill::job::attempt::{Failure, Outcome, Usage};
use tidemill::store::attempts::claim::Claimed;
use tidemill::store::attempts::settle::Settled;
use tidemill::store::kinds::KindRow;
use tidemill::{Backoff, KindSettings};

use crate::support::Db;

fn failed(message: &str, permanent: bool) -> Outcome {
    Outcome::Failed {
        failure: Failure { message: message.into(), class: "test".into(), permanent, ..Failure::default() },
    }
}

async fn settle(db: &Db, claimed: &Claimed, outcome: Outcome) -> Option<JobState> {
    let settled = Settled::of(claimed.id, claimed.lease_id, outcome, Usage::default()).unwrap();
    states(&db.settle(&[settled]).await.unwrap()).remove(0)
}

#[tokio::test]
async fn d1_a_failed_attempt_is_retried_after_its_delay_and_keeps_the_error() {
    let db = Db::new().await;
    let claimed = db.running().await;
    assert_eq!(settle(&db, &claimed, failed("no luck", false)).await, Some(JobState::Available));
    let found = db.job(claimed.id).await;
    assert_eq!((found.status.as_str(), found.attempt), ("retrying", 1));
    assert_eq!(found.error.unwrap()["message"], "no luck");
    let delay: f64 =
        db.scalar("select extract(epoch from run_at - clock_timestamp())::float8 from jobs_live").await;
    assert!((3.0..=6.0).contains(&delay), "5 s with a fifth of jitter, not {delay}");
    assert!(db.claim_some("default", "k", 1).await.is_empty(), "claimed before its time");
    assert_eq!(db.event_types(claimed.id).await, ["attempt_failed", "retry"]);
    let attempts = db.attempts(claimed.id).await.unwrap();
    assert_eq!((attempts[0].attempt, attempts[0].outcome.as_str()), (1, "failed"));
    db.check_invariants().await;
}

#[tokio::test]
async fn d1_the_last_attempt_and_a_permanent_failure_end_the_job() {
    let db = Db::new().await;
    let permanent = db.running().await;
    assert_eq!(settle(&db, &permanent, failed("never", true)).await, Some(JobState::Failed));
    assert_eq!(db.job(permanent.id).await.attempt, 1);

    db.enqueue(tidemill::NewJob { max_attempts: Some(3), ..crate::support::job("k") }).await;
    for attempt in 1..=3 {
        let claimed = db.claim_one().await;
        assert_eq!(claimed.attempt, attempt);
        let state = settle(&db, &claimed, failed("again", false)).await;
        assert_eq!(state.map(JobState::word), Some(if attempt < 3 { "available" } else { "failed" }));
        db.execute("update jobs_live set run_at = now()").await;
    }
    assert_eq!(db.count("jobs where state = 'failed'").await, 2);
    assert_eq!(db.count("attempts").await, 4);
    db.check_invariants().await;
}

#[tokio::test]
async fn d1_a_snooze_and_a_hand_back_cost_no_attempt() {
    let db = Db::new().await;
    let claimed = db.running().await;
    let snoozed = Outcome::Snoozed { delay: Duration::from_secs(600) };
    assert_eq!(settle(&db, &claimed, snoozed).await, Some(JobState::Available));
    let found = db.job(claimed.id).await;
    assert_eq!((found.attempt, found.status.as_str()), (0, "scheduled"));
    let delay: f64 =
        db.scalar("select extract(epoch from run_at - clock_timestamp())::float8 from jobs_live").await;
    assert!((590.0..=600.0).contains(&delay), "{delay}");

    db.execute("update jobs_live set run_at = now()").await;
    let claimed = db.claim_one().await;
    assert_eq!(settle(&db, &claimed, Outcome::Released).await, Some(JobState::Available));
    let again = db.claim_one().await;
    assert_eq!((again.id, again.attempt), (claimed.id, 1));
    assert_eq!(db.event_types(claimed.id).await, ["snoozed", "released"]);
    assert_eq!(db.count("attempts").await, 0);
}

#[tokio::test]
async fn a_job_that_was_handed_back_keeps_its_place() {
    let db = Db::new().await;
    let first = db.running().await;
    db.enqueue(crate::support::job("k")).await;
    settle(&db, &first, Outcome::Released).await;
    assert_eq!(db.claim_one().await.id, first.id);
}

#[tokio::test]
async fn a_cancel_wins_over_every_other_end() {
    let db = Db::new().await;
    for outcome in [
        failed("x", false),
        failed("x", true),
        Outcome::Snoozed { delay: Duration::ZERO },
        Outcome::Released,
        Outcome::Cancelled,
    ] {
        let claimed = db.running().await;
        db.cancel(claimed.id, Some("enough"), "me").await.unwrap();
        assert_eq!(settle(&db, &claimed, outcome).await, Some(JobState::Cancelled));
        assert_eq!(db.state(claimed.id).await, "cancelled");
    }
    db.check_invariants().await;
}

#[tokio::test]
async fn a_lost_lease_settles_nothing() {
    let db = Db::new().await;
    let claimed = db.running().await;
    assert!(settle(&db, &claimed, Outcome::Released).await.is_some());
    let again = db.claim_one().await;
    for outcome in [failed("late", true), Outcome::Released, Outcome::Cancelled] {
        assert_eq!(settle(&db, &claimed, outcome).await, None);
    }
    assert_eq!(db.state(claimed.id).await, "running");
    assert_eq!(db.event_types(claimed.id).await, ["released"]);
    assert!(db.complete_one(&again).await);
}

#[tokio::test]
async fn records_what_the_process_used_and_how_it_ended() {
    let db = Db::new().await;
    let claimed = db.running().await;
    let usage =
        Usage { exit_code: None, signal: Some(9), out_of_memory: true, peak_memory_bytes: Some(1 << 40) };
    let settled = Settled::of(claimed.id, claimed.lease_id, failed("killed", false), usage).unwrap();
    db.settle(&[settled]).await.unwrap();
    let attempts = db.attempts(claimed.id).await.unwrap();
    assert_eq!((attempts[0].signal, attempts[0].out_of_memory), (Some(9), true));
    assert_eq!(attempts[0].peak_memory_bytes, Some(1 << 40));
    assert_eq!(attempts[0].exit_code, None);
    assert!(attempts[0].started_at.is_some());
}

#[tokio::test]
async fn the_kinds_own_delay_is_used() {
    let db = Db::new().await;
    let backoff =
        Backoff { first: Duration::from_secs(100), factor: 3.0, max: Duration::from_secs(500), jitter: 0.0 };
    let settings = KindSettings { backoff, ..KindSettings::default() };
    db.see_kind(&KindRow { name: "k".into(), source: "rust", settings: Some(settings) }).await.unwrap();
    db.running().await;
    for (attempt, seconds) in [(1, 100.0), (2, 300.0), (3, 500.0), (4, 500.0)] {
        let claimed = if attempt == 1 {
            db.execute("update jobs_live set run_at = now(), attempt = 0, state = 'available', lease_id = null, worker_id = null; delete from running").await;
            db.claim_one().await
        } else {
            db.execute("update jobs_live set run_at = now()").await;
            db.claim_one().await
        };
        assert_eq!(claimed.attempt, attempt);
        settle(&db, &claimed, failed("x", false)).await;
        let delay: f64 = db
            .scalar("select extract(epoch from j.run_at - a.finished_at)::float8 from jobs_live j join attempts a on a.attempt = j.attempt")
            .await;
        assert!((delay - seconds).abs() < 0.5, "attempt {attempt}: {delay}");
    }
}

#[tokio::test]
async fn the_delay_grows_to_its_cap_varies_and_never_overflows() {
    let db = Db::new().await;
    let (low, high, distinct): (f64, f64, i64) = db
        .rows(
            "select min(d), max(d), count(distinct d) from (
               select extract(epoch from backoff(4, '1 s', 2, '1 h', 0.25))::float8 as d from generate_series(1, 1000)) x",
        )
        .await[0];
    assert!(
        (6.0..6.5).contains(&low) && (9.5..=10.0).contains(&high) && distinct > 900,
        "{low} {high} {distinct}"
    );
    for (attempt, first, factor, max, seconds) in [
        (1, "1 s", 2.0, "1 h", 1.0),
        (12, "1 s", 2.0, "1 h", 2048.0),
        (13, "1 s", 2.0, "1 h", 3600.0),
        (1_000_000, "1 s", 2.0, "1 h", 3600.0),
        (i32::MAX, "24 h", 1e6, "1 h", 3600.0),
        (1_000_000, "1 s", 1e300, "1000 days", 86_400_000.0),
        (1_000_000, "1 s", 1.0, "1 h", 1.0),
        // A slow growth also reaches its cap.
        (1_000, "1 s", 1.01, "1 h", 3600.0),
        (1_000_000, "0 s", 2.0, "1 h", 0.0),
        (0, "1 s", 2.0, "1 h", 1.0),
    ] {
        let delay: f64 = db
            .scalar(format!(
                "select extract(epoch from backoff({attempt}, '{first}', {factor:?}, '{max}', 0))::float8"
            ))
            .await;
        assert!((delay - seconds).abs() < 0.001, "attempt {attempt}, factor {factor}: {delay} s");
    }
}
