//! Windows and periods: how long a job stands in the way, and which times count as one.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use tidemill::NewJob;
use tidemill::store::jobs::enqueue::InsertOutcome;

use super::{created, existing, in_status, put, unique_job};
use crate::support::Db;

/// So many seconds into some hour far ahead.
fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(4_000_003_200 / 3600 * 3600 + seconds, 0).unwrap()
}

fn at_time(seconds: i64, unique: Value) -> NewJob {
    NewJob { run_at: Some(at(seconds)), ..unique_job(json!({}), unique) }
}

#[tokio::test]
async fn b1_by_period_of_the_scheduled_time() {
    let db = Db::new().await;
    let hourly = json!({"period": "1h"});
    let first = created(&db, at_time(0, hourly.clone())).await;
    assert_eq!(existing(&db, at_time(3_599, hourly.clone())).await, first);
    created(&db, at_time(3_600, hourly.clone())).await;
    created(&db, at_time(-1, hourly)).await;
    // Without a run_at it is the time of the enqueue.
    let yearly = json!({"period": "365days"});
    let now = created(&db, unique_job(json!({}), yearly.clone())).await;
    assert_eq!(existing(&db, unique_job(json!({}), yearly)).await, now);
}

#[tokio::test]
async fn b1_by_window_since_the_holder_was_enqueued() {
    let db = Db::new().await;
    let window = || unique_job(json!({}), json!({"window": "10m"}));
    // Also when the holder is completed.
    let first = in_status(&db, "completed", window()).await;
    assert_eq!(existing(&db, window()).await, first);
    db.execute("update jobs set created_at = created_at - interval '9 minutes 50 s'").await;
    assert_eq!(existing(&db, window()).await, first);
    db.execute("update jobs set created_at = created_at - interval '11 s'").await;
    let second = created(&db, window()).await;
    assert_eq!(existing(&db, window()).await, second);
    // Over for one that still waits, too.
    db.execute("update jobs_live set created_at = created_at - interval '11 minutes'").await;
    created(&db, window()).await;
    assert_eq!(db.state(second).await, "available");
    // A failed one does not count.
    let failed = json!({"window": "10m", "key": "f"});
    db.execute("update jobs_live set queue = 'aside'").await;
    in_status(&db, "failed", unique_job(json!({}), failed.clone())).await;
    created(&db, unique_job(json!({}), failed)).await;
}

#[tokio::test]
async fn b8_throttle_one_per_window_debounce_moves_to_the_next_slot_second_in_the_slot_refused() {
    let db = Db::new().await;
    // Throttle: one for each hour, done or not.
    let hourly = json!({"key": "throttle", "period": "1h", "on_conflict": "reject"});
    let first = in_status(
        &db,
        "completed",
        unique_job(json!({}), json!({"key": "throttle", "period": "365days", "on_conflict": "reject"})),
    )
    .await;
    let again = put(
        &db,
        unique_job(json!({}), json!({"key": "throttle", "period": "365days", "on_conflict": "reject"})),
    )
    .await;
    assert_eq!((again.outcome, again.id), (InsertOutcome::Conflict, first));
    created(&db, at_time(0, hourly.clone())).await;
    assert_eq!(put(&db, at_time(10, hourly.clone())).await.outcome, InsertOutcome::Conflict);
    created(&db, at_time(3_600, hourly)).await;

    // Debounce: what comes too soon runs once, at the beginning of the next hour.
    let debounce = json!({"key": "debounce", "period": "1h", "on_conflict": "next_period"});
    let now = put(&db, at_time(600, debounce.clone())).await;
    assert_eq!((now.outcome, now.run_at), (InsertOutcome::Created, at(600)));
    let next = put(&db, at_time(700, debounce.clone())).await;
    assert_eq!((&next.outcome, next.run_at), (&InsertOutcome::Created, at(3_600)));
    assert_eq!(db.job(next.id).await.run_at, Some(at(3_600)));
    let third = put(&db, at_time(800, debounce.clone())).await;
    assert_eq!((third.outcome, third.id), (InsertOutcome::Existing, next.id));
    // One for that hour itself finds it, and goes to the hour behind it.
    let later = put(&db, at_time(3_700, debounce)).await;
    assert_eq!((later.outcome, later.run_at), (InsertOutcome::Created, at(7_200)));
}

#[tokio::test]
async fn a_period_of_a_job_in_a_group_moves_its_due_time() {
    let db = Db::new().await;
    let debounce = json!({"period": "1h", "on_conflict": "next_period"});
    let grouped = |seconds| NewJob { fair_key: Some("me".into()), ..at_time(seconds, debounce.clone()) };
    created(&db, grouped(1)).await;
    let moved = created(&db, grouped(2)).await;
    let due: i64 =
        db.scalar(format!("select extract(epoch from due_at)::bigint from jobs where id = '{moved}'")).await;
    assert_eq!(due, at(3_600).timestamp());
}
