//! Whose turn it is: a noisy one cannot delay a quiet one, and nobody is forgotten.

use std::collections::HashMap;

use tidemill::NewJob;
use tidemill::store::attempts::claim::{ClaimRequest, Position, Terms};
use tidemill::store::attempts::claim_limited::Share;

use super::{claim, fair, keyed};
use crate::support::{Db, job};

#[tokio::test]
async fn j5_a_noisy_tenant_cannot_delay_a_quiet_one() {
    let db = Db::new().await;
    db.enqueue_all(&(0..2_000).map(|_| fair("noisy")).collect::<Vec<_>>()).await;
    let before = claim(&db, 10).await;
    assert_eq!(before.len(), 10);
    let quiet = db.enqueue(fair("quiet")).await;
    let next: Vec<_> = claim(&db, 2).await.iter().map(|job| job.id).collect();
    assert!(next.contains(&quiet), "its turn comes at once, behind 1,990 others");
}

#[tokio::test]
async fn j2_round_robin_gives_each_the_same() {
    let db = Db::new().await;
    for (key, jobs) in [("a", 50), ("b", 40), ("c", 30), ("d", 5)] {
        db.enqueue_all(&(0..jobs).map(|_| fair(key)).collect::<Vec<_>>()).await;
    }
    let mut got: HashMap<String, usize> = HashMap::new();
    // One slot after the other, as long jobs free them.
    for _ in 0..20 {
        let taken = claim(&db, 1).await;
        assert_eq!(taken.len(), 1);
        *got.entry(db.job(taken[0].id).await.fair_key.unwrap()).or_default() += 1;
    }
    assert_eq!(got, HashMap::from([("a".into(), 5), ("b".into(), 5), ("c".into(), 5), ("d".into(), 5)]));
    let rest = claim(&db, 1_000).await.len() + claim(&db, 1_000).await.len() + claim(&db, 1_000).await.len();
    assert_eq!(rest, 125 - 20, "none is forgotten");
    db.check_invariants().await;
}

#[tokio::test]
async fn groups_that_share_a_full_key_take_turns_too() {
    let db = Db::new().await;
    db.execute("select set_limit('api', max_running => 1)").await;
    for key in ["a", "b", "c"] {
        let jobs: Vec<_> =
            (0..10).map(|_| NewJob { fair_key: Some(key.into()), ..keyed(&["api"]) }).collect();
        db.enqueue_all(&jobs).await;
    }
    let mut order = Vec::new();
    for _ in 0..9 {
        let taken = claim(&db, 100).await;
        assert_eq!(taken.len(), 1);
        order.push(db.job(taken[0].id).await.fair_key.unwrap());
        assert!(db.complete_one(&taken[0]).await);
    }
    for round in order.chunks(3) {
        let mut round = round.to_vec();
        round.sort();
        assert_eq!(round, ["a", "b", "c"], "{order:?}");
    }
}

#[tokio::test]
async fn c2_a_saturated_group_at_the_head_starves_nobody() {
    let db = Db::new().await;
    db.execute("select set_limit('tenant', max_running => 1); select set_limit('frozen', max_running => 0)")
        .await;
    for number in 0..300 {
        db.enqueue_all(&(0..3).map(|_| keyed(&[&format!("tenant:{number}")])).collect::<Vec<_>>()).await;
        db.enqueue(keyed(&[&format!("frozen:{number}")])).await;
    }
    // All 300 tenants are busy, each with two more in line; 300 others may not run at all.
    let mut busy = 0;
    for _ in 0..30 {
        busy += claim(&db, 50).await.len();
    }
    assert_eq!(busy, 300);
    let last = db.enqueue(keyed(&["tenant:last"])).await;
    let next = claim(&db, 1).await;
    assert_eq!(next.iter().map(|job| job.id).collect::<Vec<_>>(), [last]);
    db.check_invariants().await;
}

#[tokio::test]
async fn c2_kinds_that_nobody_here_serves_starve_nobody() {
    let db = Db::new().await;
    for number in 0..20 {
        db.enqueue(NewJob { kind: "foreign".into(), ..fair(&format!("f{number}")) }).await;
    }
    let ours = db.enqueue(fair("ours")).await;
    let mut taken = Vec::new();
    for _ in 0..25 {
        taken.extend(claim(&db, 1).await);
    }
    assert_eq!(taken.iter().map(|job| job.id).collect::<Vec<_>>(), [ours]);
    assert_eq!(db.count("jobs_live where kind = 'foreign' and state = 'waiting'").await, 20);
}

#[tokio::test]
async fn c1_priority_first_then_whose_turn_it_is_then_the_oldest() {
    let db = Db::new().await;
    let mut ids = Vec::new();
    for (priority, key) in [(7, "a"), (5, "a"), (5, "a"), (5, "b"), (1, "b")] {
        ids.push(db.enqueue(NewJob { priority: Some(priority), ..fair(key) }).await);
    }
    let mut order = Vec::new();
    for _ in 0..5 {
        order.extend(claim(&db, 1).await.iter().map(|job| job.id));
    }
    assert_eq!(order[0], ids[4]);
    assert!(order[1..3].contains(&ids[1]) && order[1..3].contains(&ids[3]), "one of each first");
    assert_eq!(order[3..], [ids[2], ids[0]]);
}

#[tokio::test]
async fn jobs_with_and_without_a_group_share_the_free_slots() {
    let db = Db::new().await;
    for _ in 0..10 {
        db.enqueue(job("k")).await;
        db.enqueue(fair("a")).await;
    }
    db.enqueue(NewJob { priority: Some(9), ..fair("late") }).await;
    let request = ClaimRequest {
        queue: "default",
        kinds: &["k".to_owned()],
        limit: 4,
        cursor: &[Position::HEAD; 9],
        worker_id: "w",
        lease_ttl_seconds: 30.0,
        picked: &[],
        terms: Terms::default(),
    };
    let share = Share { worst_priority: 5, capacity_at_worst: 2 };
    let taken = db.claim_counted(&request, share).await.unwrap();
    assert_eq!(taken.jobs.iter().filter(|job| job.grouped).count(), 2);
    assert_eq!((taken.jobs.len(), taken.plain_asked), (4, 2));
}
