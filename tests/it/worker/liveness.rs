//! Who lives and who is taken for dead: long jobs, stalls, forgotten workers, a server that only reads, a writer that
//! dies while it is watched, one that says too much.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use serde_json::json;
use tidemill::store::jobs::enqueue::enqueue;
use tidemill::{Context, Store};
use tokio::sync::Semaphore;

use super::Witness;
use crate::support::{Db, Mill, MillBuilder, MortalMill, job, numbered, ok, wait_for};

fn short_leases(store: &Store) -> MillBuilder {
    Mill::builder(store).settings(|settings| {
        settings.lease_ttl = Duration::from_secs(2);
        settings.heartbeat = Duration::from_millis(300);
    })
}

#[tokio::test]
async fn g3_a_healthy_long_job_is_never_taken_back_and_a_limit_of_one_stays_one() {
    let db = Db::new().await;
    db.execute("select set_limit('queue:default', 1)").await;
    let (witness, door) = (Witness::default(), Arc::new(Semaphore::new(0)));
    let (seen, gate) = (witness.clone(), door.clone());
    let mill = short_leases(&db)
        .handler("k", move |_| {
            let (seen, gate) = (seen.clone(), gate.clone());
            async move {
                let _presence = seen.enter();
                gate.acquire().await.unwrap().forget();
                ok(None)
            }
        })
        .start();
    db.enqueue_all(&[job("k"), job("k")]).await;
    witness.until_begun(1).await;
    // A stall of the database, shorter than the lease: heartbeats wait behind the lock.
    let mut stall = db.connect().await;
    sqlx::raw_sql("begin; lock table running in exclusive mode; select pg_sleep(1.2); rollback")
        .execute(&mut stall)
        .await
        .unwrap();
    // Renewed for three leases in a row, while sweeps look.
    let renewed = "running where seen_at > started_at + interval '6 seconds'";
    wait_for("the lease outlives itself three times", || async {
        let swept = db.sweep().await.unwrap();
        assert!(swept.is_empty(), "{swept:?}");
        assert!(db.count("running").await <= 1);
        (db.count(renewed).await == 1).then_some(())
    })
    .await;
    assert_eq!(witness.begun(), 1, "the limit let nobody else in");
    door.add_permits(2);
    wait_for("both are done", || async {
        (db.count("jobs where state = 'completed' and attempt = 1").await == 2).then_some(())
    })
    .await;
    mill.stop().await;
}

#[tokio::test]
async fn g2_beats_that_fail_for_a_while_cost_nothing() {
    let db = Db::new().await;
    let (witness, door) = (Witness::default(), Arc::new(Semaphore::new(0)));
    let (seen, gate) = (witness.clone(), door.clone());
    let mill = Mill::builder(&db)
        .settings(|settings| settings.heartbeat = Duration::from_millis(200))
        .handler("k", move |_| {
            let (seen, gate) = (seen.clone(), gate.clone());
            async move {
                let _presence = seen.enter();
                gate.acquire().await.unwrap().forget();
                ok(None)
            }
        })
        .start();
    let id = db.enqueue(job("k")).await;
    witness.until_begun(1).await;
    db.execute(
        "create function refuse() returns trigger language plpgsql as $$ begin raise 'no beat'; end $$;
         create trigger refuse before update on running for each row execute function refuse()",
    )
    .await;
    let silent = "running where seen_at < clock_timestamp() - interval '2 seconds'";
    wait_for("no beat gets through", || async { (db.count(silent).await == 1).then_some(()) }).await;
    db.execute("drop trigger refuse on running").await;
    let heard = "running where seen_at > clock_timestamp() - interval '1 second'";
    wait_for("beats get through", || async { (db.count(heard).await == 1).then_some(()) }).await;
    door.add_permits(1);
    wait_for("it completes", || async { (db.state(id).await == "completed").then_some(()) }).await;
    assert_eq!((witness.begun(), db.job(id).await.attempt), (1, 1));
    mill.stop().await;
}

#[tokio::test]
async fn g5_the_job_of_a_worker_whose_row_is_gone_is_taken_back() {
    let db = Db::new().await;
    let claimed = db.running().await;
    db.execute("delete from workers").await;
    db.expire(claimed.id).await;
    let swept = db.sweep().await.unwrap();
    assert_eq!((swept.len(), swept[0].job_id), (1, claimed.id));
    assert_eq!(db.state(claimed.id).await, "available");
}

#[tokio::test]
async fn g8_a_primary_that_becomes_read_only_is_waited_for() {
    let db = Db::new().await;
    let name: String = db.scalar("select current_database()::text").await;
    let mill = short_leases(&db.another_store()).handler("k", |_| async { ok(None) }).start();
    let before = db.enqueue(job("k")).await;
    wait_for("the first job's end", || async { (db.state(before).await == "completed").then_some(()) }).await;
    let read_only =
        |value: &str| format!("alter database {name} set default_transaction_read_only = {value}");
    let cut = "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()";
    db.execute(read_only("on")).await;
    db.execute(cut).await;
    let reader = db.another_store();
    wait_for("writes are refused", || async {
        let refused =
            enqueue(reader.pool(), &reader.prepare_each(&[job("k")]).unwrap(), false).await.err()?;
        assert!(refused.is_transient(), "{refused}");
        Some(())
    })
    .await;
    let mut writer = db.connect().await;
    for statement in ["set default_transaction_read_only = off", &read_only("off"), cut] {
        sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(&mut writer).await.unwrap();
    }
    let fresh = db.another_store();
    let after = wait_for("writes are taken again", || async {
        Some(enqueue(fresh.pool(), &fresh.prepare_each(&[job("k")]).unwrap(), false).await.ok()?[0].id)
    })
    .await;
    wait_for("the worker goes on", || async {
        let job = fresh.find_job(after).await.ok()??;
        (job.state.word() == "completed").then_some(())
    })
    .await;
    mill.stop().await;
}

#[tokio::test]
async fn h2_stop_while_inserts_continue_leaves_none_running() {
    let db = Db::new().await;
    let stop = Arc::new(AtomicBool::new(false));
    let (store, stopped) = (db.another_store(), stop.clone());
    let producer = tokio::spawn(async move {
        let mut made = 0_i64;
        while !stopped.load(Ordering::SeqCst) {
            let jobs: Vec<_> = (0..20).map(|n| numbered("k", n)).collect();
            let jobs = store.prepare_each(&jobs).unwrap();
            made += i64::try_from(enqueue(store.pool(), &jobs, false).await.unwrap().len()).unwrap();
        }
        made
    });
    for _ in 0..3 {
        let mill = Mill::builder(&db).handler("k", |_| async { ok(None) }).start();
        let done = db.count("jobs where state = 'completed'").await;
        wait_for("it works", || async {
            (db.count("jobs where state = 'completed'").await > done).then_some(())
        })
        .await;
        mill.stop().await;
        assert_eq!(db.count("running").await, 0);
        assert_eq!(db.count("jobs_live where state = 'running'").await, 0);
    }
    stop.store(true, Ordering::SeqCst);
    assert_eq!(producer.await.unwrap(), db.count("jobs").await, "nothing is lost");
    db.check_invariants().await;
}

#[tokio::test]
async fn m3_when_the_writer_dies_its_readers_learn_it_and_the_next_attempt_goes_on() {
    let db = Db::new().await;
    let id = db.enqueue(job("k")).await;
    let first = |store: &Store| {
        short_leases(store).handler("k", |context: Context| async move {
            context.log("one").await;
            context.log("two").await;
            std::future::pending().await
        })
    };
    let mortal = MortalMill::start(&db, first);
    wait_for("its lines", || async { (db.event_types(id).await.len() == 2).then_some(()) }).await;
    mortal.kill();
    db.expire(id).await;
    wait_for("it is taken back", || async { db.sweep().await.unwrap().pop() }).await;
    db.execute("update jobs_live set run_at = now()").await;
    let mill = short_leases(&db)
        .handler("k", |context| async move {
            context.log("three").await;
            ok(None)
        })
        .start();
    wait_for("its end", || async { (db.state(id).await == "completed").then_some(()) }).await;
    mill.stop().await;
    assert_eq!(db.event_types(id).await, ["log", "log", "lease_lost", "retry", "log"]);
    let attempts: Vec<i32> =
        db.events_after(id, 0, &["log".into()], 9).await.unwrap().iter().map(|event| event.attempt).collect();
    assert_eq!(attempts, [1, 1, 2]);
}

#[tokio::test]
async fn m8_ten_thousand_updates_stay_bounded_and_the_last_is_kept() {
    const UPDATES: i64 = 10_000;
    let db = Db::new().await;
    let said = Arc::new(AtomicI64::new(0));
    let count = said.clone();
    let mill = Mill::builder(&db)
        .handler("k", move |context| {
            let count = count.clone();
            async move {
                for n in 1..=UPDATES {
                    let percent = f64::from(i32::try_from(n * 100 / UPDATES).unwrap_or(100));
                    context.progress_with(Some(percent), Some("counting"), Some(json!({"n": n}))).await;
                    count.store(n, Ordering::SeqCst);
                }
                ok(None)
            }
        })
        .start();
    let id = db.enqueue(job("k")).await;
    wait_for("its end", || async { (db.state(id).await == "completed").then_some(()) }).await;
    mill.stop().await;
    assert_eq!(said.load(Ordering::SeqCst), UPDATES);
    let progress = db.job(id).await.progress.unwrap();
    assert_eq!((progress.percent, progress.data), (Some(100.0), Some(json!({"n": UPDATES}))));
    let stored = db.count("events").await;
    assert!(stored < UPDATES / 10, "{stored} events for {UPDATES} updates");
    db.check_invariants().await;
}
