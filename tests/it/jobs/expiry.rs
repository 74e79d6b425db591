//! Expiry: a job that nothing started in time is cancelled, and one that was started goes on.

use std::time::Duration;

use tidemill::NewJob;
use tidemill::job::attempt::{Outcome, Usage};
use tidemill::store::attempts::settle::Settled;
use tidemill::store::attempts::sweep::SweepReason;

use crate::support::{Db, Session, job};

const PAST: &str = "update jobs_live set expires_at = now() - interval '1 s'";

#[tokio::test]
async fn f8_not_started_before_expiry_is_cancelled() {
    let db = Db::new().await;
    let expiring = || NewJob { expires_in: Some(Duration::from_secs(3600)), ..job("k") };
    let id = db.enqueue(expiring()).await;
    let grouped = db.enqueue(NewJob { fair_key: Some("me".into()), ..expiring() }).await;
    let lasting: f64 = db
        .scalar(format!(
            "select extract(epoch from expires_at - created_at)::float8 from jobs where id = '{id}'"
        ))
        .await;
    assert!((lasting - 3600.0).abs() < 0.001, "{lasting}");
    assert!(db.sweep().await.unwrap().is_empty());
    db.execute(PAST).await;
    // Before any sweep.
    assert!(db.claim_some("default", "k", 1).await.is_empty(), "claimed after it expired");
    assert!(!db.due(&["default".into()], &["k".into()], false).await.unwrap()[0].now);
    let mut swept: Vec<_> =
        db.sweep().await.unwrap().into_iter().map(|swept| (swept.job_id, swept.reason)).collect();
    swept.sort_by_key(|(job_id, _)| *job_id);
    assert_eq!(swept, [(id, SweepReason::Expired), (grouped, SweepReason::Expired)]);
    for id in [id, grouped] {
        let found = db.job(id).await;
        assert_eq!((found.state.word(), &found.error.unwrap()["type"]), ("cancelled", &"expired".into()));
        assert!(found.cancel_requested_at.is_some());
        assert_eq!(db.event_types(id).await, ["expired"]);
    }
    // By hand it may have another chance.
    db.retry(id, "me").await.unwrap();
    assert_eq!(db.claim_one().await.id, id);
    db.check_invariants().await;
}

#[tokio::test]
async fn f8_one_that_was_started_once_expires_no_more() {
    let db = Db::new().await;
    let at = chrono::Utc::now() + chrono::Duration::hours(1);
    db.enqueue(NewJob { expires_at: Some(at), ..job("k") }).await;
    let claimed = db.claim_one().await;
    db.execute(PAST).await;
    assert!(db.sweep().await.unwrap().is_empty());
    // Not even one that gave its first attempt back.
    let released = Settled::of(claimed.id, claimed.lease_id, Outcome::Released, Usage::default());
    db.settle(released.as_slice()).await.unwrap();
    assert!(db.sweep().await.unwrap().is_empty());
    assert_eq!(db.claim_one().await.id, claimed.id);
}

#[tokio::test]
async fn f8_one_bad_row_or_one_that_is_held_stops_no_other() {
    let db = Db::new().await;
    let held = db.enqueue(job("k")).await;
    let bad = db.enqueue(job("k")).await;
    let good = db.enqueue(job("k")).await;
    db.execute(PAST).await;
    // What already has a place in the history cannot be moved there.
    db.execute(format!(
        "create function refuse() returns trigger language plpgsql as 'begin raise exception ''no''; end';
         create trigger refuse before delete on jobs_live for each row when (old.id = '{bad}') execute function refuse()"
    ))
    .await;
    let mut holder = Session::begin(&db).await;
    holder.run(&format!("select from jobs_live where id = '{held}' for update")).await.unwrap();
    let swept = db.sweep().await.unwrap();
    assert_eq!(swept.iter().map(|swept| swept.job_id).collect::<Vec<_>>(), [good]);
    holder.run("commit").await.unwrap();
    assert_eq!(db.sweep().await.unwrap()[0].job_id, held);
    assert_eq!(db.state(bad).await, "available");
}
