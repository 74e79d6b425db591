//! What becomes of a slot while an earlier job of its schedule is not finished.

use tidemill::store::attempts::claim::Claimed;
use uuid::Uuid;

use super::{due, hourly, jobs, outcomes, release};
use crate::support::Db;

/// Fires a slot, claims its job, and makes the next slot due.
async fn running(db: &Db, overlap: &str) -> Claimed {
    hourly(db, "s", &format!(", overlap => '{overlap}'")).await;
    due(db, "s", 0).await;
    assert_eq!(outcomes(db).await, ["enqueued"]);
    let claimed = db.claim_one().await;
    due(db, "s", 0).await;
    claimed
}

#[tokio::test]
async fn n4_skip_leaves_the_slot_out() {
    let db = Db::new().await;
    let first = running(&db, "skip").await;
    assert_eq!(outcomes(&db).await, ["skipped"]);
    let reason: String = db.scalar("select reason from schedule_slots where outcome = 'skipped'").await;
    assert!(reason.contains(&first.id.to_string()), "{reason}");
    assert!(db.complete_one(&first).await);
    due(&db, "s", 0).await;
    assert_eq!(outcomes(&db).await, ["enqueued"]);
    assert_eq!(jobs(&db, "s").await, 2);
}

#[tokio::test]
async fn n4_queue_holds_one_slot_until_the_job_has_ended() {
    let db = Db::new().await;
    let first = running(&db, "queue").await;
    assert_eq!(outcomes(&db).await, ["held"]);
    let held: String = db.scalar("select slot::text from schedule_slots where outcome = 'held'").await;
    due(&db, "s", 0).await;
    assert_eq!(outcomes(&db).await, ["skipped"]);
    // While the job runs there is nothing to release, and the scheduler looks once a second.
    assert!(release(&db).await.is_empty());
    assert_eq!(db.work_due().await.unwrap().schedule_seconds, Some(1.0));
    assert!(db.complete_one(&first).await);
    assert_eq!(db.work_due().await.unwrap().schedule_seconds, Some(0.0));
    assert_eq!(release(&db).await, ["s"]);
    assert!(release(&db).await.is_empty());
    assert_eq!((jobs(&db, "s").await, db.count("schedule_slots where outcome = 'held'").await), (2, 0));
    let released: String = db.scalar("select (metadata ->> 'slot')::timestamptz::text from jobs_live").await;
    assert_eq!(released, held);
    // The next slot finds the released job, and is held in turn.
    due(&db, "s", 0).await;
    assert_eq!(outcomes(&db).await, ["held"]);
    // A slot that comes before anybody released the held one releases it first.
    let second = db.claim_one().await;
    assert!(db.complete_one(&second).await);
    db.execute("update schedules set next_at = now(), anchor_at = now()").await;
    let fired: Option<String> = db
        .scalar("select fire_schedule('s', next_at, next_at + interval '1 hour', '{}') from schedules")
        .await;
    assert_eq!(fired.as_deref(), Some("held"));
    assert_eq!(jobs(&db, "s").await, 3);
    db.check_invariants().await;
}

#[tokio::test]
async fn n4_a_pause_keeps_the_held_slot() {
    let db = Db::new().await;
    let first = running(&db, "queue").await;
    assert_eq!(outcomes(&db).await, ["held"]);
    db.pause_schedule("s", "me").await.unwrap();
    assert!(db.complete_one(&first).await);
    assert!(release(&db).await.is_empty());
    db.resume_schedule("s").await.unwrap();
    assert_eq!(release(&db).await, ["s"]);
}

#[tokio::test]
async fn n4_allow_lets_them_run_beside_each_other() {
    let db = Db::new().await;
    running(&db, "allow").await;
    assert_eq!(outcomes(&db).await, ["enqueued"]);
    assert_eq!(db.count("jobs_live").await, 2);
}

#[tokio::test]
async fn n4_cancel_ends_the_earlier_ones() {
    let db = Db::new().await;
    let first = running(&db, "cancel").await;
    // One that somebody started by hand does not run yet.
    let by_hand: Uuid = db.scalar("select run_schedule('s', 'me')").await;
    assert_eq!(outcomes(&db).await, ["enqueued"]);
    assert_eq!(db.state(by_hand).await, "cancelled");
    assert!(db.job(first.id).await.cancel_requested_at.is_some());
    assert_eq!(db.event_types(first.id).await, ["cancel_requested"]);
    assert_eq!(db.count("jobs_live where state = 'available'").await, 1);
    db.check_invariants().await;
}
