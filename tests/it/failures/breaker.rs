//! The breaker of a kind: opens after crashes, is seen, keeps jobs from starting, and closes.

use std::time::Duration;

use tidemill::job::attempt::{Failure, Outcome, Usage};
use tidemill::store::attempts::settle::Settled;
use tidemill::store::kinds::{KindDocument, KindRow};
use tidemill::{Breaker, KindSettings};

use tidemill::store::attempts::claim::{ClaimRequest, Position, Terms};

use crate::support::{Db, job};

async fn seen(db: &Db) {
    let breaker = Breaker { after: 3, window: Duration::from_secs(600), pause: Duration::from_secs(60) };
    let settings = KindSettings { breaker: Some(breaker), max_attempts: 100, ..KindSettings::default() };
    db.see_kind(&KindRow { name: "k".into(), source: "rust", settings: Some(settings) }).await.unwrap();
}

async fn kind(db: &Db) -> KindDocument {
    db.kinds().await.unwrap().into_iter().find(|kind| kind.name == "k").unwrap()
}

/// The worker of a job dies.
async fn crash(db: &Db) {
    db.enqueue(job("k")).await;
    let id = db.claim_one().await.id;
    db.expire(id).await;
    db.sweep().await.unwrap();
}

async fn opens_for(db: &Db) -> f64 {
    db.scalar("select extract(epoch from breaker_open_until - now())::float8 from kinds where name = 'k'")
        .await
}

#[tokio::test]
async fn a_kind_that_crashes_in_a_loop_is_not_started_until_its_breaker_closes() {
    let db = Db::new().await;
    seen(&db).await;
    for crashes in 1..=3 {
        assert_eq!(kind(&db).await.breaker_open_until, None);
        crash(&db).await;
        assert_eq!(kind(&db).await.breaker_crashes, crashes);
    }
    assert!(kind(&db).await.breaker_open_until.is_some(), "it is seen");
    assert!((55.0..=60.0).contains(&opens_for(&db).await));
    db.enqueue(job("k")).await;
    db.enqueue(job("other")).await;
    let mut limited = job("k");
    limited.fair_key = Some("f".into());
    db.enqueue(limited).await;
    assert!(db.claim_some("default", "k", 10).await.is_empty(), "open");
    let due = db.due(&["default".into()], &["k".into()], false).await.unwrap().remove(0);
    assert!(!due.now, "nobody is called for what may not start");
    assert_eq!(db.claim_some("default", "other", 10).await.len(), 1, "others go on");
    // A worker that starts again registers its rules and resets nothing.
    seen(&db).await;
    assert!(kind(&db).await.breaker_open_until.is_some());

    // Half open: one more crash opens it for twice as long.
    db.execute("update kinds set breaker_open_until = now() where name = 'k'").await;
    crash(&db).await;
    assert!((115.0..=120.0).contains(&opens_for(&db).await));
    // A quiet window closes it for good: it takes three crashes again.
    db.execute(
        "update kinds set breaker_open_until = now() - interval '11 minutes', breaker_crashed_at = now() - interval '11 minutes'",
    )
    .await;
    crash(&db).await;
    assert_eq!((kind(&db).await.breaker_crashes, kind(&db).await.breaker_open_until), (1, None));
    crash(&db).await;
    crash(&db).await;
    assert!((55.0..=60.0).contains(&opens_for(&db).await), "the pause starts again");
    assert!(db.reset_breaker("k").await.unwrap());
    let before: i64 = db
        .scalar("select (before ->> 'crashes')::bigint from audit_log where action = 'reset_breaker'")
        .await;
    assert_eq!(before, 3, "the record says how it was");
    assert_eq!((kind(&db).await.breaker_crashes, kind(&db).await.breaker_open_until), (0, None));
    assert!(!db.claim_some("default", "k", 10).await.is_empty());
    assert!(!db.reset_breaker("unknown").await.unwrap());
}

#[tokio::test]
async fn commands_that_are_killed_count_and_plain_failures_do_not() {
    let db = Db::new().await;
    seen(&db).await;
    for (class, crashes) in [("signal", 1), ("exit_code", 1), ("out_of_memory", 2), ("timeout", 2)] {
        let claimed = db.running().await;
        let failure = Failure { message: "x".into(), class: class.into(), ..Failure::default() };
        let settled =
            Settled::of(claimed.id, claimed.lease_id, Outcome::Failed { failure }, Usage::default());
        db.settle(settled.as_slice()).await.unwrap();
        assert_eq!(kind(&db).await.breaker_crashes, crashes, "{class}");
    }
}

/// The claim has the rule of `closed_kinds` in its own text, without a call.
#[tokio::test]
async fn the_claim_and_closed_kinds_agree() {
    let db = Db::new().await;
    let kinds = ["never", "past", "soon", "forever", "unknown"].map(str::to_owned);
    for kind in &kinds {
        db.enqueue(job(kind)).await;
    }
    db.execute(
        "delete from kinds;
         insert into kinds (name, source, breaker_open_until)
         values ('never', 'sql', null), ('past', 'sql', now() - interval '1 s'),
           ('soon', 'sql', now() + interval '1 hour'), ('forever', 'sql', now() + interval '100 years')",
    )
    .await;
    let closed: Vec<String> = db
        .scalar(
            "select array_agg(k order by k) from unnest(closed_kinds('{never,past,soon,forever,unknown}')) k",
        )
        .await;
    let request = ClaimRequest {
        queue: "default",
        kinds: &kinds,
        limit: 10,
        cursor: &[Position::HEAD; 9],
        worker_id: "w",
        lease_ttl_seconds: 60.0,
        picked: &[],
        terms: Terms::default(),
    };
    let mut claimed: Vec<String> =
        db.claim(&request).await.unwrap().into_iter().map(|claimed| claimed.kind).collect();
    claimed.sort();
    assert_eq!(claimed, closed);
    assert_eq!(claimed, ["never", "past", "unknown"]);
}
