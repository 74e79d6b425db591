//! Delete: removes a job that does not run with all that is known of it, and never one that runs.

use serde_json::json;
use tidemill::NewJob;
use tidemill::job::event::EventDraft;
use tidemill::store::report::Reported;
use uuid::Uuid;

use crate::support::{Db, job};

#[tokio::test]
async fn removes_a_job_with_its_history_its_name_and_its_events() {
    let db = Db::new().await;
    let id = db.enqueue(NewJob { execution_id: Some("e".into()), max_attempts: Some(1), ..job("k") }).await;
    let claimed = db.claim_one().await;
    let draft = EventDraft::new("log", json!({}));
    db.report(uuid::Uuid::new_v4(), &[Reported { job_id: id, lease_id: claimed.lease_id, draft }])
        .await
        .unwrap();
    assert_eq!(db.delete_job(id).await.unwrap().as_deref(), Some("running"), "not while it runs");
    assert_eq!(db.state(id).await, "running");
    db.expire(id).await;
    db.sweep().await.unwrap();
    let other = db.enqueue(job("k")).await;
    assert_eq!(db.delete_job(id).await.unwrap().as_deref(), Some("deleted"));
    for table in ["task_ids", "events", "attempts", "progress", "running"] {
        assert_eq!(db.count(table).await, 0, "{table}");
    }
    assert!(db.find_job(id).await.unwrap().is_none());
    assert_eq!(db.delete_job(id).await.unwrap(), None);
    assert_eq!(db.delete_job(Uuid::now_v7()).await.unwrap(), None);
    assert_eq!(
        db.delete_job(other).await.unwrap().as_deref(),
        Some("deleted"),
        "a live one that does not run"
    );
    let again = db.enqueue_all(&[NewJob { execution_id: Some("e".into()), ..job("k") }]).await;
    assert_eq!(again[0].fate, tidemill::store::enqueue::Fate::Created, "the name is free again");
}
