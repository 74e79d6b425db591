//! Heartbeat: renews the leases that its worker names and holds, and answers which are lost and which attempts are to stop.

use uuid::Uuid;

use crate::support::Db;

async fn expires_in(db: &Db, job: Uuid) -> f64 {
    db.scalar(format!(
        "select extract(epoch from lease_expires_at - clock_timestamp())::float8 from running where job_id = '{job}'"
    ))
    .await
}

#[tokio::test]
async fn g2_renews_only_the_leases_that_are_named() {
    let db = Db::new().await;
    let (named, other) = (db.running().await, db.running().await);
    db.expire(named.id).await;
    db.expire(other.id).await;
    let renewed = db.heartbeat("w", &[named.lease_id], 30.0).await.unwrap();
    assert_eq!(renewed.len(), 1);
    assert_eq!((renewed[0].job_id, renewed[0].lease_id), (named.id, named.lease_id));
    assert!(renewed[0].renewed && !renewed[0].cancel);
    assert!((29.0..=30.0).contains(&expires_in(&db, named.id).await));
    assert!(expires_in(&db, other.id).await < 0.0);
    let seen: bool =
        db.scalar(format!("select seen_at > started_at from running where job_id = '{}'", named.id)).await;
    assert!(seen);
    assert!(db.heartbeat("w", &[], 30.0).await.unwrap().is_empty());
}

#[tokio::test]
async fn g2_a_changed_time_counts_from_the_next_beat() {
    let db = Db::new().await;
    let claimed = db.running().await;
    for ttl in [300.0, 5.0, 60.0] {
        db.heartbeat("w", &[claimed.lease_id], ttl).await.unwrap();
        let left = expires_in(&db, claimed.id).await;
        assert!((ttl - 4.0..=ttl).contains(&left), "{ttl}: {left}");
    }
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
async fn returns_the_jobs_that_are_to_be_cancelled() {
    let db = Db::new().await;
    let (kept, cancelled) = (db.running().await, db.running().await);
    db.cancel(cancelled.id, None, "me").await.unwrap();
    let renewed = db.heartbeat("w", &[kept.lease_id, cancelled.lease_id], 30.0).await.unwrap();
    for lease in renewed {
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
    let renewed = tokio::time::timeout(crate::support::DEADLINE, beat).await.expect("not blocked").unwrap();
    assert_eq!(renewed.len(), 1);
}

#[tokio::test]
async fn does_not_wait_for_whoever_ends_the_attempt_and_does_not_call_it_lost() {
    let db = Db::new().await;
    let (ending, other) = (db.running().await, db.running().await);
    let mut transaction = db.pool().begin().await.unwrap();
    sqlx::query("delete from running where job_id = $1")
        .bind(ending.id)
        .execute(&mut *transaction)
        .await
        .unwrap();
    let leases = [ending.lease_id, other.lease_id];
    let beat = db.heartbeat("w", &leases, 30.0);
    let renewed = tokio::time::timeout(crate::support::DEADLINE, beat).await.expect("not blocked").unwrap();
    assert_eq!(renewed.len(), 2);
    for lease in &renewed {
        assert_eq!(lease.renewed, lease.job_id == other.id);
    }
    transaction.rollback().await.unwrap();
    assert!(db.heartbeat("w", &leases, 30.0).await.unwrap().iter().all(|lease| lease.renewed));
}
