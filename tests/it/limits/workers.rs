//! Limits with real workers: several at once keep them, wake each other, and lose nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tidemill::NewJob;

use super::{fair, keyed, most_at_once};
use crate::support::{Db, Mill, job, ok, wait_for};

async fn drained(db: &Db) {
    wait_for("all jobs are finished", || async { (db.count("jobs_live").await == 0).then_some(()) }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workers_together_keep_limits_per_queue_and_key() {
    let db = Db::new().await;
    db.execute(
        "select set_limit('tenant', max_running => 2); select set_limit('queue:default', max_running => 5)",
    )
    .await;
    let peak = Arc::new(AtomicUsize::new(0));
    let now = Arc::new(AtomicUsize::new(0));
    let mill = || {
        let (peak, now) = (peak.clone(), now.clone());
        Mill::builder(&db).handler("k", move |_| {
            let (peak, now) = (peak.clone(), now.clone());
            async move {
                peak.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_millis(2)).await;
                now.fetch_sub(1, Ordering::SeqCst);
                ok(None)
            }
        })
    };
    let mills = [mill().start(), mill().start(), mill().start()];
    let jobs: Vec<_> = (0..300)
        .map(|n| if n % 3 == 0 { job("k") } else { keyed(&[&format!("tenant:{}", n % 4)]) })
        .collect();
    db.enqueue_all(&jobs).await;
    drained(&db).await;
    for mill in mills {
        mill.stop().await;
    }
    assert!(peak.load(Ordering::SeqCst) <= 5);
    for (key, most) in most_at_once(&db).await {
        assert!(most <= if key.starts_with("queue:") { 5 } else { 2 }, "{most} of {key} at once");
    }
    assert_eq!(db.count("jobs where state = 'completed'").await, 300);
    db.check_invariants().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_freed_slot_is_used_at_once_by_any_worker_with_a_free_slot() {
    let db = Db::new().await;
    db.execute("select set_limit('one', max_running => 1)").await;
    let mill = || Mill::builder(&db).handler("k", |_| async { ok(None) });
    // A poll finds it too, so only hints can be this quick.
    let mills = [mill(), mill()].map(|mill| mill.settings(|s| s.poll = Duration::from_secs(20)).start());
    db.enqueue_all(&(0..100).map(|_| keyed(&["one"])).collect::<Vec<_>>()).await;
    db.execute("select notify_queue('default', true)").await;
    drained(&db).await;
    for mill in mills {
        mill.stop().await;
    }
    assert_eq!(most_at_once(&db).await.iter().find(|(key, _)| key == "one").unwrap().1, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rate_is_kept_without_any_hint() {
    let db = Db::new().await;
    db.execute("select set_limit('queue:default', rate => 20, per => '1 second', burst => 1)").await;
    let mill = Mill::builder(&db).handler("k", |_| async { ok(None) }).start();
    db.enqueue_all(&(0..30).map(|_| job("k")).collect::<Vec<_>>()).await;
    drained(&db).await;
    mill.stop().await;
    let took: f64 =
        db.scalar("select extract(epoch from max(started_at) - min(started_at))::float8 from jobs").await;
    assert!(took >= 29.0 / 20.0 - 0.01, "30 started within {took} s");
    let broken: i64 = db
        .scalar(
            "select count(*) from (select started_at - lag(started_at, 20) over (order by started_at) as for_20 from jobs) t
             where for_20 < interval '0.94 seconds'",
        )
        .await;
    assert_eq!(broken, 0, "at no time did more than 20 start in a second, but for the burst of one");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quiet_tenant_waits_for_one_run_not_for_the_noisy_one() {
    let db = Db::new().await;
    let mill = Mill::builder(&db)
        .slots(2)
        .handler("k", |_| async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            ok(None)
        })
        .start();
    db.enqueue_all(&(0..200).map(|_| fair("noisy")).collect::<Vec<_>>()).await;
    db.execute("select notify_queue('default', true)").await;
    wait_for("the noisy one runs", || async { (db.count("running").await > 0).then_some(()) }).await;
    let quiet = db.enqueue(NewJob { args: serde_json::Map::new(), ..fair("quiet") }).await;
    wait_for("the quiet one is done", || async { (db.state(quiet).await == "completed").then_some(()) })
        .await;
    let left = db.count("jobs_live").await;
    assert!(left > 150, "only {left} of the noisy ones were left");
    mill.stop().await;
}
