//! What a new job does when its limit is reached: wait, give way, or take the place of the oldest.

use super::{claim, keyed};
use crate::support::Db;

#[tokio::test]
async fn j2_queue_the_newest_waits() {
    let db = Db::new().await;
    db.execute("select set_limit('one', max_running => 1)").await;
    for _ in 0..3 {
        db.enqueue(keyed(&["one:x"])).await;
    }
    assert_eq!(claim(&db, 10).await.len(), 1);
    assert_eq!(db.count("jobs_live where state = 'waiting'").await, 2);
}

#[tokio::test]
async fn j2_cancel_newest_the_new_one_is_cancelled() {
    let db = Db::new().await;
    db.execute("select set_limit('build', max_running => 2, on_full => 'cancel_newest')").await;
    let new_jobs: Vec<_> =
        ["build:a", "build:a", "build:a", "build:b"].iter().map(|key| keyed(&[key])).collect();
    let enqueued = db.enqueue_all(&new_jobs).await;
    let states: Vec<_> = enqueued.iter().map(|job| job.state.word()).collect();
    assert_eq!(states, ["waiting", "waiting", "cancelled", "waiting"]);
    let running = claim(&db, 10).await;
    assert_eq!(running.len(), 3);
    let refused = db.enqueue(keyed(&["build:a"])).await;
    assert_eq!(db.state(refused).await, "cancelled");
    let reason: String =
        db.scalar(format!("select data ->> 'reason' from events where job_id = '{refused}'")).await;
    assert!(reason.contains("full"), "{reason}");
    let of_a = running.iter().find(|job| job.id == enqueued[0].id).unwrap();
    assert!(db.complete_one(of_a).await);
    let next = db.enqueue(keyed(&["build:a"])).await;
    assert_eq!(db.state(next).await, "waiting");
    db.check_invariants().await;
}

#[tokio::test]
async fn j2_cancel_oldest_the_first_one_gives_way() {
    let db = Db::new().await;
    db.execute("select set_limit('build', max_running => 1, on_full => 'cancel_oldest')").await;
    let first = db.enqueue(keyed(&["build:a"])).await;
    assert_eq!(claim(&db, 10).await.len(), 1);
    let second = db.enqueue(keyed(&["build:a"])).await;
    assert!(db.job(first).await.cancel_requested_at.is_some(), "the running one is asked to stop");
    assert_eq!(db.state(second).await, "waiting", "and the new one waits for its end");
    assert!(claim(&db, 10).await.is_empty());
    let third = db.enqueue(keyed(&["build:a"])).await;
    assert_eq!((db.state(second).await, db.state(third).await), ("cancelled", "waiting"));
    let batch: Vec<_> = (0..3).map(|_| keyed(&["build:a"])).collect();
    let batch = db.enqueue_all(&batch).await;
    let mut states = Vec::new();
    for job in &batch {
        states.push(db.state(job.id).await);
    }
    assert_eq!(states, ["cancelled", "cancelled", "waiting"]);
    assert_eq!(db.state(third).await, "cancelled");
    db.check_invariants().await;
}
