//! Priorities that age: a job that is due for long is claimed before newer ones of a better priority.

use chrono::{TimeDelta, Utc};
use tidemill::NewJob;

use super::claim;
use crate::support::{Db, job};

#[tokio::test]
async fn an_old_low_job_overtakes_newer_ones_of_a_better_priority() {
    let db = Db::new().await;
    db.execute("select set_priority_ageing('default', '10 minutes')").await;
    let due = |priority, minutes| NewJob {
        priority: Some(priority),
        run_at: Some(Utc::now() - TimeDelta::minutes(minutes)),
        ..job("k")
    };
    let low = db.enqueue(due(7, 25)).await;
    let normal = db.enqueue(due(5, 1)).await;
    let high = db.enqueue(due(3, 1)).await;
    let lower = db.enqueue(due(9, 61)).await;
    let mut order = Vec::new();
    for _ in 0..4 {
        order.extend(claim(&db, 1).await.iter().map(|job| job.id));
    }
    assert_eq!(order, [lower, high, low, normal], "3 by age; 3; 5 by age and older; 5");
}

#[tokio::test]
async fn without_ageing_it_never_does() {
    let db = Db::new().await;
    let low = db
        .enqueue(NewJob { priority: Some(9), run_at: Some(Utc::now() - TimeDelta::days(30)), ..job("k") })
        .await;
    let high = db.enqueue(NewJob { priority: Some(8), ..job("k") }).await;
    let order: Vec<_> = db.claim_some("default", "k", 2).await.iter().map(|job| job.id).collect();
    assert_eq!(order, [high, low]);
}

#[tokio::test]
async fn a_stream_of_urgent_jobs_does_not_starve_a_low_one() {
    let db = Db::new().await;
    db.execute("select set_priority_ageing('default', '1 minute')").await;
    let low = db.enqueue(NewJob { priority: Some(9), ..job("k") }).await;
    for minute in 0..20 {
        for _ in 0..2 {
            db.enqueue(NewJob { priority: Some(1), ..job("k") }).await;
        }
        if claim(&db, 2).await.iter().any(|job| job.id == low) {
            assert!((8..=9).contains(&minute), "in minute {minute}");
            return;
        }
        db.execute("update jobs_live set run_at = run_at - interval '1 minute' where state = 'available'")
            .await;
    }
    panic!("it was never claimed");
}
