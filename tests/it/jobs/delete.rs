//! Delete: removes a job that does not run with all that is known of it, and never one that runs; who waits
//! for it hears how it ended.

use serde_json::json;
use tidemill::job::event::EventDraft;
use tidemill::store::attempts::report::Reported;
use tidemill::store::jobs::delete::DeleteOutcome;
use tidemill::{After, NewJob};
use uuid::Uuid;

use crate::support::{Db, Session, blocked_or_done, job};

#[tokio::test]
async fn removes_a_job_with_its_history_its_name_and_its_events() {
    let db = Db::new().await;
    let id = db.enqueue(NewJob { execution_id: Some("e".into()), max_attempts: Some(1), ..job("k") }).await;
    let claimed = db.claim_one().await;
    let draft = EventDraft::new("log", json!({}));
    db.report(uuid::Uuid::new_v4(), &[Reported { job_id: id, lease_id: claimed.lease_id, draft }])
        .await
        .unwrap();
    assert_eq!(db.delete_job(id).await.unwrap(), Some(DeleteOutcome::Running), "not while it runs");
    assert_eq!(db.state(id).await, "running");
    db.expire(id).await;
    db.sweep().await.unwrap();
    let other = db.enqueue(job("k")).await;
    assert_eq!(db.delete_job(id).await.unwrap(), Some(DeleteOutcome::Deleted));
    for table in ["task_ids", "events", "attempts", "progress", "running"] {
        assert_eq!(db.count(table).await, 0, "{table}");
    }
    assert!(db.find_job(id).await.unwrap().is_none());
    assert_eq!(db.delete_job(id).await.unwrap(), None);
    assert_eq!(db.delete_job(Uuid::now_v7()).await.unwrap(), None);
    assert_eq!(
        db.delete_job(other).await.unwrap(),
        Some(DeleteOutcome::Deleted),
        "a live one that does not run"
    );
    let again = db.enqueue_all(&[NewJob { execution_id: Some("e".into()), ..job("k") }]).await;
    assert_eq!(
        again[0].outcome,
        tidemill::store::jobs::enqueue::InsertOutcome::Created,
        "the name is free again"
    );
}

#[tokio::test]
async fn a_caller_that_waits_for_a_deleted_job_learns_how_it_ended() {
    let db = Db::new().await;
    let parent = db.enqueue(job("k")).await;
    let waits = |parent| NewJob { after: vec![After::job(parent).pass_as("got")], ..job("child") };
    let child = db.enqueue(waits(parent)).await;
    let claimed = db.claim_one().await;
    assert!(db.complete_one(&claimed).await);
    db.execute("update jobs set result = '7' where finished_at is not null").await;
    assert_eq!(db.count("finished_parents").await, 1, "it is not resolved yet");
    assert_eq!(db.delete_job(parent).await.unwrap(), Some(DeleteOutcome::Deleted));
    db.resolve().await.unwrap();
    let let_go = db.job(child).await;
    assert_eq!((let_go.state.word(), let_go.args), ("available", json!({"got": 7})));
    // For one that has not ended there is nothing to wait for.
    let live = db.enqueue(job("k")).await;
    let child = db.enqueue(waits(live)).await;
    assert_eq!(db.delete_job(live).await.unwrap(), Some(DeleteOutcome::Deleted));
    db.resolve().await.unwrap();
    assert_eq!(db.state(child).await, "cancelled");
}

#[tokio::test]
async fn a_delete_of_a_waiting_job_holds_no_job_while_it_waits_for_the_dependency_lock() {
    let db = Db::new().await;
    let parent = db.enqueue(job("k")).await;
    let child = db.enqueue(NewJob { after: vec![After::job(parent)], ..job("child") }).await;
    // As resolve() does: first the lock, then the edge, then the job.
    let mut resolver = Session::begin(&db).await;
    resolver.run("select lock_workflows()").await.unwrap();
    let rival = Session::open(&db).await;
    let pid = rival.pid;
    let rival = rival.run_apart(format!("select delete_job('{child}')"));
    assert!(blocked_or_done(&db, pid, &rival).await);
    resolver
        .run(&format!("select 1 from dependencies where job_id = '{child}' for update nowait"))
        .await
        .unwrap();
    resolver.run(&format!("select 1 from jobs where id = '{child}' for update nowait")).await.unwrap();
    resolver.run("commit").await.unwrap();
    assert_eq!(rival.await.unwrap().1.unwrap().as_deref(), Some("deleted"));
}
