//! Sweep: time in which nobody could sweep, for the database was away, counts against no lease; a worker that died
//! meanwhile loses its jobs after it.

use std::time::Duration;
use tidemill::store::attempts::sweep::SweepReason;

use crate::support::{Db, Session};

const EVERY: Duration = Duration::from_secs(5);

/// As if a minute had gone by without any sweep or heartbeat.
async fn silence(db: &Db) {
    db.execute(
        "update sweep_times set swept_at = swept_at - interval '1 minute', every_at = every_at - interval '1 minute';
         update running
         set
           started_at = started_at - interval '1 minute',
           seen_at = seen_at - interval '1 minute',
           lease_expires_at = lease_expires_at - interval '1 minute',
           deadline_at = deadline_at - interval '1 minute'",
    )
    .await;
}

#[tokio::test]
async fn g7_a_silence_of_all_counts_against_no_lease() {
    let db = Db::new().await;
    db.note_sweep(EVERY).await.unwrap();
    let claimed = db.running().await;
    silence(&db).await;
    // By hand, before any process noted it; then as the maintenance does.
    assert!(db.sweep().await.unwrap().is_empty());
    db.note_sweep(EVERY).await.unwrap();
    assert!(db.sweep().await.unwrap().is_empty());
    let pause: f64 = db.scalar("select extract(epoch from until - since)::float8 from sweep_pauses").await;
    assert!((50.0..56.0).contains(&pause), "a minute but for the time to the next sweep: {pause}");
    // Its worker is alive, and its end counts.
    assert_eq!(db.heartbeat("w", &[claimed.lease_id], 30.0).await.unwrap().len(), 1);
    assert!(db.complete_one(&claimed).await);
}

/// The database went away before a process of a new one had swept at all.
#[tokio::test]
async fn an_outage_before_the_first_sweep_counts_against_no_lease() {
    let db = Db::new().await;
    assert_eq!(db.count("sweep_times").await, 0);
    let claimed = db.running().await;
    silence(&db).await;
    db.note_sweep(EVERY).await.unwrap();
    assert!(db.sweep().await.unwrap().is_empty());
    assert_eq!(db.heartbeat("w", &[claimed.lease_id], 30.0).await.unwrap().len(), 1);
    assert!(db.complete_one(&claimed).await);
}

#[tokio::test]
async fn a_worker_that_died_meanwhile_loses_the_rest_of_its_lease_and_no_more() {
    let db = Db::new().await;
    db.note_sweep(EVERY).await.unwrap();
    let claimed = db.running().await;
    silence(&db).await;
    db.note_sweep(EVERY).await.unwrap();
    // What the lease had left then has gone by: once, while all is well.
    let later = |seconds: u32| {
        format!(
            "update running
             set lease_expires_at = lease_expires_at - interval '{seconds} s', seen_at = seen_at - interval '{seconds} s'"
        )
    };
    db.execute(later(20)).await;
    assert!(db.sweep().await.unwrap().is_empty(), "25 s were left");
    db.execute(later(10)).await;
    let swept = db.sweep().await.unwrap();
    assert_eq!((swept.len(), swept[0].job_id), (1, claimed.id));
    assert_eq!(db.attempts(claimed.id).await.unwrap()[0].outcome, "crashed");
    db.check_invariants().await;
}

#[tokio::test]
async fn a_lease_that_was_over_before_is_taken_back_at_once() {
    let db = Db::new().await;
    let (dead, alive) = (db.running().await, db.running().await);
    db.expire(dead.id).await;
    db.note_sweep(EVERY).await.unwrap();
    silence(&db).await;
    let swept = db.sweep().await.unwrap();
    assert_eq!(swept.iter().map(|swept| swept.job_id).collect::<Vec<_>>(), [dead.id]);
    assert!(db.complete_one(&alive).await);
}

#[tokio::test]
async fn another_start_of_the_server_is_a_pause_however_short() {
    let db = Db::new().await;
    db.note_sweep(EVERY).await.unwrap();
    let claimed = db.running().await;
    // A standby took over three seconds later; the lease had one second left.
    db.execute(
        "update sweep_times set swept_at = swept_at - interval '3 s', server_started_at = '2020-01-01';
         update running set seen_at = seen_at - interval '32 s', lease_expires_at = lease_expires_at - interval '32 s'",
    )
    .await;
    assert!(db.sweep().await.unwrap().is_empty());
    assert!(db.complete_one(&claimed).await);
    let next = db.running().await;
    db.expire(next.id).await;
    assert_eq!(db.sweep().await.unwrap().len(), 1, "the pause is over");
}

#[tokio::test]
async fn deadlines_wait_too() {
    let db = Db::new().await;
    db.note_sweep(EVERY).await.unwrap();
    let claimed = db.running().await;
    db.execute("update running set deadline_at = clock_timestamp() + interval '30 s'").await;
    silence(&db).await;
    db.execute("update running set lease_expires_at = clock_timestamp() + interval '1 hour'").await;
    assert!(db.sweep().await.unwrap().is_empty());
    db.execute("update running set deadline_at = deadline_at - interval '31 s', started_at = started_at - interval '31 s'").await;
    assert_eq!(db.sweep().await.unwrap()[0].reason, SweepReason::DeadlinePassed);
    assert!(!db.complete_one(&claimed).await);
}

#[tokio::test]
async fn rare_sweeps_take_back_all_expired_jobs() {
    let db = Db::new().await;
    // Those who swept often are gone for good; somebody sweeps by hand once a minute.
    db.note_sweep(EVERY).await.unwrap();
    let claimed = db.running().await;
    let mut sweeps = 0;
    while db.sweep().await.unwrap().is_empty() {
        sweeps += 1;
        assert!(sweeps < 4, "a pause after the other keeps the dead alive");
        silence(&db).await;
    }
    assert!(!db.complete_one(&claimed).await);
}

#[tokio::test]
async fn a_clock_that_goes_back_leaves_no_pause_in_the_future() {
    let db = Db::new().await;
    db.note_sweep(EVERY).await.unwrap();
    // Its clock was an hour ahead: what looked like a pause never was.
    db.execute(
        "update sweep_times set swept_at = swept_at + interval '1 hour', every_at = every_at + interval '1 hour';
         insert into sweep_pauses (since, until) values
           (clock_timestamp() - interval '1 minute', clock_timestamp() + interval '1 hour'),
           (clock_timestamp() + interval '10 minutes', clock_timestamp() + interval '20 minutes')",
    )
    .await;
    db.note_sweep(EVERY).await.unwrap();
    assert_eq!(db.count("sweep_pauses where until > clock_timestamp()").await, 0);
    assert_eq!(db.count("sweep_pauses").await, 1);
    let claimed = db.running().await;
    db.expire(claimed.id).await;
    assert_eq!(db.sweep().await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_sweepers_agree() {
    let db = Db::new().await;
    db.note_sweep(EVERY).await.unwrap();
    for _ in 0..20 {
        db.running().await;
    }
    silence(&db).await;
    let mut sweepers = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let store = db.another_store();
        sweepers.spawn(async move {
            for _ in 0..5 {
                store.note_sweep(EVERY).await.unwrap();
                assert!(store.sweep().await.unwrap().is_empty());
            }
        });
    }
    sweepers.join_all().await;
    assert_eq!((db.count("running").await, db.count("sweep_pauses").await), (20, 1));
}

#[tokio::test]
async fn a_transaction_that_swept_and_stays_open_delays_no_one() {
    let db = Db::new().await;
    db.note_sweep(EVERY).await.unwrap();
    let mut person = Session::begin(&db).await;
    person.run("select count(*) from sweep()").await.unwrap();
    let claimed = db.running().await;
    db.expire(claimed.id).await;
    db.note_sweep(EVERY).await.unwrap();
    assert_eq!(db.sweep().await.unwrap().len(), 1);
    person.run("rollback").await.unwrap();
}
