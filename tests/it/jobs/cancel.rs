//! Cancel: promise 9 — a row, so it holds with no worker up — and one winner against every rival.

use tidemill::store::jobs::cancel::CancelOutcome;
use uuid::Uuid;

use crate::support::{Db, job};

#[tokio::test]
async fn f7_a_job_that_does_not_run_is_cancelled_at_once_and_never_starts() {
    let db = Db::new().await;
    let due = db.enqueue(job("k")).await;
    let scheduled =
        db.enqueue(tidemill::NewJob { delay: Some(std::time::Duration::from_secs(60)), ..job("k") }).await;
    let waiting = Uuid::now_v7();
    db.execute(format!(
        "insert into jobs (id, kind, state, run_at) values ('{waiting}', 'k', 'waiting', 'infinity')"
    ))
    .await;
    for id in [due, scheduled, waiting] {
        assert_eq!(db.cancel(id, Some("why"), "me").await.unwrap(), Some(CancelOutcome::Cancelled));
        let found = db.job(id).await;
        assert_eq!(found.state.word(), "cancelled");
        assert!(found.finished_at.is_some() && found.cancel_requested_at.is_some());
        assert_eq!(db.event_types(id).await, ["cancel_requested"]);
    }
    assert!(db.claim_some("default", "k", 10).await.is_empty());
    assert_eq!(db.count("jobs_live").await, 0);
    db.check_invariants().await;
}

#[tokio::test]
async fn f4_a_running_job_is_asked_once_however_often_one_asks() {
    let db = Db::new().await;
    let claimed = db.running().await;
    for _ in 0..3 {
        assert_eq!(db.cancel(claimed.id, None, "me").await.unwrap(), Some(CancelOutcome::CancelRequested));
    }
    assert_eq!(db.event_types(claimed.id).await, ["cancel_requested"]);
    assert_eq!(db.state(claimed.id).await, "running");
}

#[tokio::test]
async fn f4_answers_what_a_finished_job_is_and_nothing_for_none() {
    let db = Db::new().await;
    let claimed = db.running().await;
    db.complete_one(&claimed).await;
    assert_eq!(db.cancel(claimed.id, None, "me").await.unwrap(), Some(CancelOutcome::Completed));
    assert_eq!(db.event_types(claimed.id).await, Vec::<String>::new());
    assert_eq!(db.cancel(Uuid::now_v7(), None, "me").await.unwrap(), None);
}

#[tokio::test]
async fn works_from_psql_in_any_session() {
    let db = Db::new().await;
    let id = db.enqueue(job("k")).await;
    let mut psql = db.connect().await;
    sqlx::query("set search_path to public").execute(&mut psql).await.unwrap();
    let answer: String =
        sqlx::query_scalar("select tidemill.cancel($1)").bind(id).fetch_one(&mut psql).await.unwrap();
    assert_eq!(answer, "cancelled");
    let by: String = db.scalar("select data ->> 'by' from events").await;
    assert_eq!(by, "tidemill");
}
