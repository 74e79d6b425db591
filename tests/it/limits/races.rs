//! Races: claims of several workers at once, a thousand times, with workers killed in between.

use std::collections::HashMap;

use super::{claim_as, keyed, most_at_once};
use crate::support::Db;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn claims_that_race_never_exceed_a_limit() {
    const ROUNDS: usize = 1_000;
    let db = Db::new().await;
    db.execute("select set_limit('tenant', max_running => 2)").await;
    let keys = ["tenant:a", "tenant:b", "tenant:c"];
    db.enqueue_all(&(0..ROUNDS).map(|n| keyed(&[keys[n % 3]])).collect::<Vec<_>>()).await;
    let mut ended = 0;
    let mut held: HashMap<String, Vec<_>> = HashMap::new();
    for round in 0.. {
        let racers = ["a", "b", "c"].map(|worker| claim_as(&db, worker, "default", 3));
        let [a, b, c] = racers;
        let (a, b, c) = tokio::join!(a, b, c);
        let most: i64 = db
            .scalar("select coalesce(max(n), 0) from (select count(*) n from running, unnest(concurrency_keys) k group by k) t")
            .await;
        assert!(most <= 2, "{most} at once in round {round}");
        for (worker, jobs) in [("a", a), ("b", b), ("c", c)] {
            held.entry(worker.into()).or_default().extend(jobs);
        }
        if round % 50 == 49 {
            // One worker dies: its leases expire and are swept.
            let dead = held.remove("b").unwrap_or_default();
            db.execute("update running set lease_expires_at = now() - interval '1 s' where worker_id = 'b'")
                .await;
            db.sweep().await.unwrap();
            db.execute("select run_now(id) from jobs_live where state = 'waiting' and due_at > now()").await;
            for job in dead {
                assert!(!db.complete_one(&job).await, "who lost its lease ends nothing");
            }
        }
        let done: Vec<_> = held.values_mut().filter_map(Vec::pop).collect();
        for job in &done {
            assert!(db.complete_one(job).await);
        }
        ended += done.len();
        if done.is_empty() && db.count("jobs_live").await == 0 {
            break;
        }
        assert!(round < 10 * ROUNDS, "{ended} of {ROUNDS} ended");
    }
    assert_eq!(db.count("jobs where state in ('completed', 'failed')").await, 1_000);
    for (key, most) in most_at_once(&db).await {
        assert!(most <= 2 || key.starts_with("queue:"), "{most} of {key} at once");
    }
    db.check_invariants().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn enqueues_that_race_with_claims_are_never_forgotten() {
    let db = Db::new().await;
    let store = db.another_store();
    let enqueuer = tokio::spawn(async move {
        for n in 0..500 {
            let job = keyed(&[&format!("free:{}", n % 7)]);
            tidemill::store::jobs::enqueue::enqueue(
                store.pool(),
                &store.prepare_each(&[job]).unwrap(),
                false,
            )
            .await
            .unwrap();
        }
    });
    let mut taken = 0;
    while taken < 500 {
        // Asked before: what comes after the claims is not their fault.
        let all_are_there = enqueuer.is_finished();
        let (first, second) =
            tokio::join!(claim_as(&db, "a", "default", 5), claim_as(&db, "b", "default", 5));
        taken += first.len() + second.len();
        if all_are_there && first.is_empty() && second.is_empty() {
            let left = db.count("jobs_live where state = 'waiting'").await;
            assert!(left == 0, "{left} wait and no worker is notified");
            break;
        }
        db.sweep().await.unwrap();
    }
    enqueuer.await.unwrap();
    assert_eq!(taken, 500);
}
