//! Many jobs at once: each exactly once, within the slots, first priorities first, and no worker keeps
//! from others what it cannot run itself.

use std::sync::atomic::{AtomicI64, AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tidemill::NewJob;
use tokio::sync::Semaphore;

use super::{Witness, until_drained, until_state};
use crate::support::{Db, Mill, job, numbered, ok, wait_at_most, wait_for};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_thousand_jobs_run_exactly_once_on_two_workers() {
    const JOBS: usize = 20_000;
    let db = Db::new().await;
    let runs: Arc<Vec<AtomicU8>> = Arc::new((0..JOBS).map(|_| AtomicU8::new(0)).collect());
    let start = || {
        let runs = runs.clone();
        let store = db.another_store();
        Mill::builder(&store)
            // A quick heart meets the completions often.
            .settings(|settings| settings.heartbeat = Duration::from_millis(100))
            .slots(100)
            .handler("k", move |context| {
                let runs = runs.clone();
                async move {
                    let n = usize::try_from(context.args()["n"].as_i64().unwrap()).unwrap();
                    runs[n].fetch_add(1, Ordering::SeqCst);
                    ok(None)
                }
            })
            .start()
    };
    let jobs: Vec<NewJob> = (0..i64::try_from(JOBS).unwrap()).map(|n| numbered("k", n)).collect();
    let mills = [start(), start()];
    for chunk in jobs.chunks(5_000) {
        db.enqueue_all(chunk).await;
    }
    wait_at_most(Duration::from_secs(60), "all are done", || async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        (db.count("jobs_live").await == 0).then_some(())
    })
    .await;
    for mill in mills {
        mill.stop().await;
    }
    let odd: Vec<_> = runs.iter().map(|runs| runs.load(Ordering::SeqCst)).filter(|runs| *runs != 1).collect();
    assert!(odd.is_empty(), "{} jobs did not run exactly once", odd.len());
    assert_eq!(db.count("jobs where state = 'completed' and attempt = 1").await, 20_000);
    let deadlocks: i64 =
        db.scalar("select deadlocks from pg_stat_database where datname = current_database()").await;
    assert_eq!(deadlocks, 0, "writers waited for each other");
    db.check_invariants().await;
}

/// Counts how many run at once.
#[derive(Clone, Default)]
struct Crowd {
    now: Arc<AtomicI64>,
    most: Arc<AtomicI64>,
}

impl Crowd {
    async fn stay(&self, duration: Duration) {
        let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
        tokio::time::sleep(duration).await;
        self.now.fetch_sub(1, Ordering::SeqCst);
    }

    fn most_since_last(&self) -> i64 {
        self.most.swap(0, Ordering::SeqCst)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_more_run_at_once_than_there_are_slots_also_when_they_change() {
    let db = Db::new().await;
    let crowd = Crowd::default();
    let inside = crowd.clone();
    let mill = Mill::builder(&db)
        .slots(3)
        .handler("k", move |_| {
            let inside = inside.clone();
            async move {
                inside.stay(Duration::from_millis(3)).await;
                ok(None)
            }
        })
        .start();
    for (set, slots) in [(None, 3), (Some(8), 8), (Some(1), 1), (None, 3)] {
        db.set_slots("default", set).await.unwrap();
        wait_for("the worker shows the new slots", || async {
            let workers = db.workers().await.unwrap();
            (workers.first()?.queues["default"] == slots).then_some(())
        })
        .await;
        // Those that began under the old number are gone by now.
        wait_for("the queue is empty", || async { (db.count("jobs_live").await == 0).then_some(()) }).await;
        crowd.most_since_last();
        let jobs: Vec<NewJob> = (0..80).map(|n| numbered("k", n)).collect();
        db.enqueue_all(&jobs).await;
        until_drained(&db).await;
        assert_eq!(crowd.most_since_last(), slots);
    }
    db.set_slots("default", Some(0)).await.unwrap();
    wait_for("the worker shows no slots", || async {
        (db.workers().await.unwrap()[0].queues["default"] == 0).then_some(())
    })
    .await;
    let stays = db.enqueue(job("k")).await;
    let other = Mill::builder(&db).handler("other", |_| async { ok(None) }).start();
    let beside = db.enqueue(NewJob { queue: Some("default".into()), ..job("other") }).await;
    db.set_slots("default", None).await.unwrap();
    until_state(&db, beside, "completed").await;
    until_state(&db, stays, "completed").await;
    other.stop().await;
    mill.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn first_priorities_run_first_in_order() {
    let db = Db::new().await;
    let mut new_jobs = Vec::new();
    for n in 0..60_i64 {
        new_jobs
            .push(NewJob { priority: Some([9, 1, 5][usize::try_from(n % 3).unwrap()]), ..numbered("k", n) });
    }
    db.enqueue_all(&new_jobs).await;
    let order = Arc::new(Mutex::new(Vec::new()));
    let seen = order.clone();
    let mill = Mill::builder(&db)
        .slots(1)
        .handler("k", move |context| {
            seen.lock().unwrap().push(context.args()["n"].as_i64().unwrap());
            async { ok(None) }
        })
        .start();
    until_drained(&db).await;
    let order = order.lock().unwrap().clone();
    let expected: Vec<i64> = (0..60)
        .filter(|n| n % 3 == 1)
        .chain((0..60).filter(|n| n % 3 == 2))
        .chain((0..60).filter(|n| n % 3 == 0))
        .collect();
    assert_eq!(order, expected);
    mill.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_behind_a_long_one_go_to_a_worker_with_a_free_slot() {
    let db = Db::new().await;
    let gate = Arc::new(Semaphore::new(0));
    let busy_began = Witness::default();
    let (door, seen) = (gate.clone(), busy_began.clone());
    let busy = Mill::builder(&db)
        .slots(1)
        .handler("k", move |context| {
            let (door, seen) = (door.clone(), seen.clone());
            async move {
                if context.args()["n"] == -1 {
                    let _presence = seen.enter();
                    door.acquire().await.unwrap().forget();
                }
                ok(None)
            }
        })
        .start();
    // Short ones teach it to claim ahead; then a long one comes among many.
    let warm: Vec<NewJob> = (0..3_000).map(|n| numbered("k", n)).collect();
    db.enqueue_all(&warm).await;
    wait_for("most are done", || async { (db.count("jobs_live").await < 2_000).then_some(()) }).await;
    db.enqueue(NewJob { priority: Some(1), ..numbered("k", -1) }).await;
    busy_began.until_begun(1).await;
    let more: Vec<NewJob> = (0..20).map(|n| numbered("k", n)).collect();
    db.enqueue_all(&more).await;
    let free = Mill::builder(&db).slots(1).handler("k", |_| async { ok(None) }).start();
    wait_for("only the long one is left", || async { (db.count("jobs_live").await == 1).then_some(()) })
        .await;
    assert_eq!(db.count("attempts").await, 0, "handing back must cost no attempt");
    gate.add_permits(1);
    until_drained(&db).await;
    assert_eq!(db.count("jobs where attempt <> 1").await, 0);
    busy.stop().await;
    free.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_waiting_worker_starts_a_new_job_at_once_and_a_scheduled_one_in_time() {
    let db = Db::new().await;
    let mill = Mill::builder(&db)
        // Only a wake or a known due time can help: the poll comes too late.
        .settings(|settings| settings.poll = Duration::from_secs(20))
        .handler("k", |_| async { ok(None) })
        .start();
    let warm = db.enqueue(job("k")).await;
    db.execute("select notify_queue('default')").await;
    until_state(&db, warm, "completed").await;
    for _ in 0..3 {
        let id: uuid::Uuid = db.scalar("select enqueue('k')").await;
        until_state(&db, id, "completed").await;
        let later: uuid::Uuid = db.scalar("select enqueue('k', delay => '300 ms')").await;
        until_state(&db, later, "completed").await;
    }
    let slow: i64 = db.count("jobs where started_at - run_at > interval '5 s' or started_at < run_at").await;
    assert_eq!(slow, 0);
    mill.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_are_found_without_any_notification() {
    let db = Db::new().await;
    let mill = Mill::builder(&db)
        .settings(|settings| settings.poll = Duration::from_millis(200))
        .handler("k", |_| async { ok(None) })
        .start();
    let jobs: Vec<NewJob> = (0..50)
        .map(|n| NewJob { delay: (n % 2 == 0).then_some(Duration::from_millis(n * 5)), ..job("k") })
        .collect();
    // This verb of the store wakes nobody.
    db.enqueue_all(&jobs).await;
    until_drained(&db).await;
    mill.stop().await;
}
