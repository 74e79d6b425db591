//! Heartbeat: renews what its worker names and holds, and tells it what it lost and what shall stop.

use uuid::Uuid;

use crate::support::{Db, wait_for};

async fn expires_in(db: &Db, job: Uuid) -> f64 {
    db.scalar(format!(
        "select extract(epoch from lease_expires_at - clock_timestamp())::float8 from running where job_id = '{job}'"
    ))
    .await
}

#[tokio::test]
async fn renews_only_the_leases_that_are_named() {
    let db = Db::new().await;
    let (named, other) = (db.running().await, db.running().await);
    db.expire(named.id).await;
    db.expire(other.id).await;
    let held = db.heartbeat("w", &[named.lease_id], 30.0).await.unwrap();
    assert_eq!(held.len(), 1);
    assert_eq!((held[0].job_id, held[0].lease_id, held[0].cancel), (named.id, named.lease_id, false));
    assert!((29.0..=30.0).contains(&expires_in(&db, named.id).await));
    assert!(expires_in(&db, other.id).await < 0.0);
    let seen: bool =
        db.scalar(format!("select seen_at > started_at from running where job_id = '{}'", named.id)).await;
    assert!(seen);
    assert!(db.heartbeat("w", &[], 30.0).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_lease_lives_until_it_is_taken_back_and_then_never_again() {
    let db = Db::new().await;
    let claimed = db.running().await;
    db.expire(claimed.id).await;
    assert_eq!(db.heartbeat("w", &[claimed.lease_id], 30.0).await.unwrap().len(), 1, "nobody took it yet");
    assert!(db.sweep().await.unwrap().is_empty(), "a renewed lease is not swept");
    db.expire(claimed.id).await;
    db.sweep().await.unwrap();
    assert!(db.heartbeat("w", &[claimed.lease_id], 30.0).await.unwrap().is_empty(), "swept");
    db.execute("update jobs_live set run_at = now()").await;
    db.claim_one().await;
    assert!(db.heartbeat("w", &[claimed.lease_id], 30.0).await.unwrap().is_empty(), "somebody else's now");
}

#[tokio::test]
async fn another_workers_lease_is_not_renewed() {
    let db = Db::new().await;
    let claimed = db.running().await;
    db.expire(claimed.id).await;
    assert!(db.heartbeat("thief", &[claimed.lease_id], 30.0).await.unwrap().is_empty());
    assert!(expires_in(&db, claimed.id).await < 0.0);
}

#[tokio::test]
async fn tells_what_shall_be_cancelled() {
    let db = Db::new().await;
    let (kept, cancelled) = (db.running().await, db.running().await);
    db.cancel(cancelled.id, None, "me").await.unwrap();
    let held = db.heartbeat("w", &[kept.lease_id, cancelled.lease_id], 30.0).await.unwrap();
    for lease in held {
        assert_eq!(lease.cancel, lease.job_id == cancelled.id);
    }
    assert_eq!(db.cancel_requests(&[kept.id, cancelled.id]).await.unwrap(), [cancelled.id]);
}

#[tokio::test]
async fn does_not_wait_for_whoever_holds_the_jobs_row() {
    let db = Db::new().await;
    let claimed = db.running().await;
    let mut transaction = db.pool().begin().await.unwrap();
    sqlx::query("select 1 from jobs_live where id = $1 for update")
        .bind(claimed.id)
        .execute(&mut *transaction)
        .await
        .unwrap();
    let leases = [claimed.lease_id];
    let beat = db.heartbeat("w", &leases, 30.0);
    let held = tokio::time::timeout(crate::support::DEADLINE, beat).await.expect("not blocked").unwrap();
    assert_eq!(held.len(), 1);
}

#[tokio::test]
async fn locks_in_the_order_of_the_jobs_wherever_their_rows_lie() {
    let db = Db::new().await;
    let mut claimed = vec![db.running().await, db.running().await];
    claimed.sort_by_key(|job| job.id);
    let [first, second] = claimed.as_slice() else { unreachable!("two jobs") };
    // The row of the first job now lies behind that of the second one.
    let id = first.id;
    db.execute(format!("create temp table kept as select * from running where job_id = '{id}'; delete from running where job_id = '{id}'; insert into running select * from kept")).await;
    let lock = "select 1 from running where job_id = $1 for update";
    let mut transaction = db.pool().begin().await.unwrap();
    sqlx::query(lock).bind(first.id).execute(&mut *transaction).await.unwrap();
    let leases = [first.lease_id, second.lease_id];
    let beat = async { db.heartbeat("w", &leases, 30.0).await };
    let other = async {
        wait_for("a heartbeat that waits", async || {
            let waits = "select exists (select from pg_stat_activity
                where datname = current_database() and wait_event_type = 'Lock')";
            db.scalar::<bool>(waits).await.then_some(())
        })
        .await;
        sqlx::query(lock).bind(second.id).execute(&mut *transaction).await.expect("no deadlock");
        transaction.commit().await.unwrap();
    };
    let (beat, ()) = tokio::join!(beat, other);
    assert_eq!(beat.unwrap().len(), 2);
}
