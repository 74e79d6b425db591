//! How many start in a time: a token bucket for each key or queue.

use super::{claim, claim_as, keyed};
use crate::support::{Db, job};

/// Lets time pass for all buckets.
async fn pass(db: &Db, seconds: f64) {
    db.execute(format!("update limit_buckets set filled_at = filled_at - make_interval(secs => {seconds})"))
        .await;
    db.execute("update ready_groups set ready_at = now() where ready_at < 'infinity'").await;
}

#[tokio::test]
async fn j3_a_rate_is_exact_at_the_edges() {
    let db = Db::new().await;
    db.execute("select set_limit('api', rate => 6, per => '1 hour')").await;
    for _ in 0..20 {
        db.enqueue(keyed(&["api"])).await;
    }
    assert_eq!(claim(&db, 100).await.len(), 6, "the bucket is full at first");
    pass(&db, 590.0).await;
    assert!(claim(&db, 100).await.is_empty(), "a token takes 600 s");
    pass(&db, 20.0).await;
    assert_eq!(claim(&db, 100).await.len(), 1);
    assert!(claim(&db, 100).await.is_empty());
    pass(&db, 100.0 * 3600.0).await;
    assert_eq!(claim(&db, 100).await.len(), 6, "it never fills above its burst");
    db.check_invariants().await;
}

#[tokio::test]
async fn j3_a_rate_per_key_with_a_burst_of_its_own() {
    let db = Db::new().await;
    db.execute("select set_limit('tenant', rate => 60, per => '1 hour', burst => 2)").await;
    for key in ["tenant:a", "tenant:b"] {
        for _ in 0..5 {
            db.enqueue(keyed(&[key])).await;
        }
    }
    let mut first = claim(&db, 100).await;
    first.extend(claim(&db, 100).await);
    assert_eq!(first.len(), 4, "two of each");
    pass(&db, 61.0).await;
    let mut second = claim(&db, 100).await;
    second.extend(claim(&db, 100).await);
    assert_eq!(second.len(), 2, "one of each");
}

#[tokio::test]
async fn j3_a_queue_with_a_rate_says_when_the_next_one_may_start() {
    let db = Db::new().await;
    db.execute("select set_limit('queue:default', rate => 2, per => '1 hour')").await;
    for _ in 0..5 {
        db.enqueue(job("k")).await;
    }
    db.enqueue(tidemill::NewJob { queue: Some("other".into()), ..job("k") }).await;
    assert_eq!(claim(&db, 100).await.len(), 2);
    let again: f64 = db
        .scalar("select again_in_seconds from claim_limited('default', '{k}', 10, 9::smallint, 10, '{1}', '{1970-01-01}', array[gen_random_uuid()])")
        .await;
    assert!((1_700.0..=1_800.0).contains(&again), "{again}");
    assert_eq!(claim_as(&db, "w", "other", 10).await.len(), 1, "its peer is not held back");
}

#[tokio::test]
async fn j3_a_clock_that_steps_back_fills_nothing() {
    let db = Db::new().await;
    db.execute("select set_limit('api', rate => 1, per => '1 hour')").await;
    for _ in 0..3 {
        db.enqueue(keyed(&["api"])).await;
    }
    assert_eq!(claim(&db, 10).await.len(), 1);
    db.execute("update limit_buckets set filled_at = now() + interval '1 hour'").await;
    assert!(claim(&db, 10).await.is_empty());
}
