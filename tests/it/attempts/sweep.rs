//! Sweep: promise 4 — judged and locked in one statement, never a live lease, never a finished job,
//! and one bad row never stops the rest.

use tidemill::JobState;
use tidemill::NewJob;
use tidemill::store::attempts::sweep::SweepReason;

use crate::support::{Db, Session, blocked_or_done, job};

#[tokio::test]
async fn g1_an_expired_lease_costs_the_attempt_and_is_retried() {
    let db = Db::new().await;
    let claimed = db.running().await;
    assert!(db.sweep().await.unwrap().is_empty(), "a live lease is left alone");
    db.expire(claimed.id).await;
    let swept = db.sweep().await.unwrap();
    assert_eq!(swept.len(), 1);
    assert_eq!((swept[0].job_id, swept[0].reason), (claimed.id, SweepReason::LeaseExpired));
    assert_eq!(swept[0].state, Some(JobState::Available));
    let found = db.job(claimed.id).await;
    assert_eq!((found.status.as_str(), found.attempt), ("retrying", 1));
    assert!(found.run_at.unwrap() > chrono::Utc::now(), "a crash waits like any failure");
    assert_eq!(found.error.unwrap()["type"], "lease_expired");
    let attempts = db.attempts(claimed.id).await.unwrap();
    assert_eq!(attempts[0].outcome, "crashed");
    assert_eq!(db.event_types(claimed.id).await, ["lease_lost", "retry"]);
    assert!(db.sweep().await.unwrap().is_empty());
    db.check_invariants().await;
}

#[tokio::test]
async fn a_job_that_kills_its_workers_ends_failed() {
    let db = Db::new().await;
    let id = db.enqueue(NewJob { max_attempts: Some(3), ..job("k") }).await;
    for attempt in 1..=3 {
        assert_eq!(db.claim_one().await.attempt, attempt);
        db.expire(id).await;
        assert_eq!(db.sweep().await.unwrap().len(), 1);
        db.execute("update jobs_live set run_at = now()").await;
    }
    assert_eq!(db.state(id).await, "failed");
    assert!(db.claim_some("default", "k", 1).await.is_empty());
    assert_eq!(db.count("attempts where outcome = 'crashed'").await, 3);
    db.check_invariants().await;
}

#[tokio::test]
async fn a_deadline_is_kept_against_a_worker_that_still_beats() {
    let db = Db::new().await;
    let claimed = db.running().await;
    db.execute("update running set deadline_at = now() - interval '1 s'").await;
    assert_eq!(db.heartbeat("w", &[claimed.lease_id], 30.0).await.unwrap().len(), 1);
    let swept = db.sweep().await.unwrap();
    assert_eq!(swept[0].reason, SweepReason::DeadlinePassed);
    assert_eq!(db.attempts(claimed.id).await.unwrap()[0].outcome, "timed_out");
    assert!(!db.complete_one(&claimed).await);
}

#[tokio::test]
async fn f7_a_requested_cancel_is_carried_out_when_the_worker_is_dead() {
    let db = Db::new().await;
    let claimed = db.running().await;
    db.cancel(claimed.id, None, "me").await.unwrap();
    db.expire(claimed.id).await;
    assert_eq!(db.sweep().await.unwrap()[0].state, Some(JobState::Cancelled));
    assert_eq!(db.state(claimed.id).await, "cancelled");
    db.check_invariants().await;
}

#[tokio::test]
async fn a_heartbeat_on_its_way_keeps_the_lease() {
    let db = Db::new().await;
    let claimed = db.running().await;
    db.expire(claimed.id).await;
    let mut beat = Session::begin(&db).await;
    beat.run("update running set lease_expires_at = clock_timestamp() + interval '30 s'").await.unwrap();
    assert!(db.sweep().await.unwrap().is_empty(), "the row is held: passed over");
    beat.run("commit").await.unwrap();
    assert!(db.sweep().await.unwrap().is_empty(), "and alive afterwards");
    assert!(db.complete_one(&claimed).await);
}

#[tokio::test]
async fn a_heartbeat_that_was_rolled_back_does_not_keep_the_lease() {
    let db = Db::new().await;
    let claimed = db.running().await;
    db.expire(claimed.id).await;
    let mut beat = Session::begin(&db).await;
    beat.run("update running set lease_expires_at = clock_timestamp() + interval '30 s'").await.unwrap();
    beat.run("rollback").await.unwrap();
    assert_eq!(db.sweep().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_completion_on_its_way_is_not_reopened() {
    let db = Db::new().await;
    let claimed = db.running().await;
    db.expire(claimed.id).await;
    let mut end = Session::begin(&db).await;
    end.run(&format!("delete from running where job_id = '{}'", claimed.id)).await.unwrap();
    end.run(&format!(
        "with gone as (delete from jobs_live where id = '{}' returning *)
         insert into jobs (id, kind, state, attempt, created_at, started_at, finished_at, last_lease_id)
         select id, kind, 'completed', attempt, created_at, started_at, clock_timestamp(), lease_id from gone",
        claimed.id
    ))
    .await
    .unwrap();
    assert!(db.sweep().await.unwrap().is_empty());
    end.run("commit").await.unwrap();
    assert!(db.sweep().await.unwrap().is_empty());
    assert_eq!(db.state(claimed.id).await, "completed");
    db.check_invariants().await;
}

#[tokio::test]
async fn d2_a_completion_behind_a_sweep_changes_nothing() {
    let db = Db::new().await;
    let claimed = db.running().await;
    db.expire(claimed.id).await;
    let mut sweep = Session::begin(&db).await;
    sweep.run("select state from sweep()").await.unwrap();
    let (store, late) = (db.store.clone(), claimed.clone());
    let rival = tokio::spawn(async move {
        let item = tidemill::store::attempts::complete::Completed {
            job_id: late.id,
            lease_id: late.lease_id,
            result: None,
            usage: tidemill::job::attempt::Usage::default(),
        };
        store.complete(&[item]).await.unwrap().leased.len()
    });
    let pid = crate::support::wait_for("the completion waits", || async {
        let waiting: Vec<(i32,)> = db
            .rows("select pid from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()")
            .await;
        waiting.first().map(|row| row.0)
    })
    .await;
    assert!(blocked_or_done(&db, pid, &rival).await);
    sweep.run("commit").await.unwrap();
    assert_eq!(rival.await.unwrap(), 0);
    assert_eq!(db.state(claimed.id).await, "available");
    db.check_invariants().await;
}

#[tokio::test]
async fn g4_one_bad_row_does_not_stop_the_rest() {
    let db = Db::new().await;
    let mut jobs = Vec::new();
    for _ in 0..5 {
        jobs.push(db.running().await.id);
    }
    for job in &jobs {
        db.expire(*job).await;
    }
    db.execute(format!(
        "create function explode() returns trigger language plpgsql as $$ begin raise 'bad row'; end $$;
         create trigger explode before update on jobs_live for each row when (old.id = '{}') execute function explode()",
        jobs[2]
    ))
    .await;
    let swept = db.sweep().await.unwrap();
    assert_eq!(swept.len(), 4);
    assert_eq!(db.state(jobs[2]).await, "running");
    assert_eq!(db.count("jobs where state = 'available'").await, 4);
    db.check_invariants().await;
    db.execute("drop trigger explode on jobs_live").await;
    assert_eq!(db.sweep().await.unwrap().len(), 1);
}

#[tokio::test]
async fn g4_full_batches_of_bad_rows_stop_nobody_behind_them() {
    let db = Db::new().await;
    let bad: Vec<NewJob> = (0..1_100).map(|_| NewJob { priority: Some(1), ..job("k") }).collect();
    db.enqueue_all(&bad).await;
    let good: Vec<NewJob> = (0..3).map(|_| job("k")).collect();
    db.enqueue_all(&good).await;
    db.claim_some("default", "k", 1_200).await;
    db.execute(
        "update running set lease_expires_at = now() - interval '1 s';
         create function explode() returns trigger language plpgsql as $$ begin raise 'bad row'; end $$;
         create trigger explode before update on jobs_live for each row when (old.priority = 1) execute function explode()",
    )
    .await;
    assert_eq!(db.sweep().await.unwrap().len(), 3, "those behind two full batches of 500");
    assert_eq!(db.count("jobs_live where state = 'running' and priority = 1").await, 1_100);
    // The same for those that expire.
    db.execute(
        "drop trigger explode on jobs_live;
         create function refuse() returns trigger language plpgsql as $$ begin raise 'bad row'; end $$;
         create trigger refuse before delete on jobs_live for each row when (old.priority = 1) execute function refuse();
         update jobs_live set state = 'available', lease_id = null, worker_id = null, started_at = null,
           expires_at = now() - make_interval(mins => 10 - priority);
         delete from running",
    )
    .await;
    assert_eq!(db.sweep().await.unwrap().len(), 3);
    db.execute("drop trigger refuse on jobs_live").await;
    assert_eq!(db.sweep().await.unwrap().len(), 500);
}

#[tokio::test]
async fn g4_a_slow_database_makes_a_sweep_shorter_and_not_void() {
    let db = Db::new().await;
    let jobs: Vec<NewJob> = (0..12).map(|_| job("k")).collect();
    db.enqueue_all(&jobs).await;
    db.claim_some("default", "k", 12).await;
    db.execute(
        "update running set lease_expires_at = now() - interval '1 s';
         create function slow() returns trigger language plpgsql as $$ begin perform pg_sleep(0.2); return new; end $$;
         create trigger slow before update on jobs_live for each row execute function slow()",
    )
    .await;
    // All of them take 2.4 s: a sweep that took them in one statement would be cancelled each time.
    let options =
        tidemill::Options { statement_timeout: std::time::Duration::from_millis(1_500), ..db.options() };
    let store = tidemill::Store::connect(options).unwrap();
    let mut taken = store.sweep().await.unwrap().len();
    assert!((1..12).contains(&taken), "{taken}");
    while taken < 12 {
        let more = store.sweep().await.unwrap().len();
        assert!(more > 0);
        taken += more;
    }
    db.check_invariants().await;
}

#[tokio::test]
async fn g4_a_row_that_somebody_holds_is_passed_over_and_taken_later() {
    let db = Db::new().await;
    let (held, free) = (db.running().await, db.running().await);
    db.expire(held.id).await;
    db.expire(free.id).await;
    let mut holder = Session::begin(&db).await;
    holder.run(&format!("select 1::text from jobs_live where id = '{}' for update", held.id)).await.unwrap();
    let swept = db.sweep().await.unwrap();
    assert_eq!(swept.iter().map(|swept| swept.job_id).collect::<Vec<_>>(), [free.id]);
    holder.run("rollback").await.unwrap();
    assert_eq!(db.sweep().await.unwrap().len(), 1);
}

#[tokio::test]
async fn many_sweepers_take_each_job_back_once() {
    let db = Db::new().await;
    let jobs: Vec<NewJob> = (0..200).map(|_| job("k")).collect();
    db.enqueue_all(&jobs).await;
    db.claim_some("default", "k", 200).await;
    db.execute("update running set lease_expires_at = now() - interval '1 s'").await;
    let mut sweepers = tokio::task::JoinSet::new();
    for _ in 0..6 {
        let store = db.store.clone();
        sweepers.spawn(async move { store.sweep().await.unwrap().len() });
    }
    let taken: usize = sweepers.join_all().await.into_iter().sum();
    let rest = db.sweep().await.unwrap().len();
    assert_eq!(taken + rest, 200);
    assert_eq!(db.count("attempts").await, 200);
    db.check_invariants().await;
}

#[tokio::test]
async fn clears_lease_rows_that_a_hand_left_behind() {
    let db = Db::new().await;
    let (deleted, reset, kept) = (db.running().await, db.running().await, db.running().await);
    db.execute(format!("delete from jobs_live where id = '{}'", deleted.id)).await;
    db.execute(format!(
        "update jobs_live set state = 'available', lease_id = null, worker_id = null where id = '{}'",
        reset.id
    ))
    .await;
    db.sweep().await.unwrap();
    assert_eq!(db.claim_one().await.id, reset.id, "the old lease's row must not stand in the way");
    assert_eq!(db.count("running").await, 2);
    assert!(db.complete_one(&kept).await);
    db.check_invariants().await;
}

#[tokio::test]
async fn c7_a_sweep_is_bounded_and_claims_go_on_beside_it() {
    let db = Db::new().await;
    let jobs: Vec<_> = (0..700).map(|n| crate::support::numbered("k", n)).collect();
    db.enqueue_all(&jobs).await;
    assert_eq!(db.claim_some("default", "k", 700).await.len(), 700);
    db.execute("update running set lease_expires_at = now() - interval '1 second'").await;
    let fresh = db.enqueue(NewJob { priority: Some(1), ..job("k") }).await;
    assert_eq!(db.sweep().await.unwrap().len(), 500, "at most 500 at once");
    assert_eq!(db.claim_one().await.id, fresh);
    assert_eq!(db.sweep().await.unwrap().len(), 200);
    db.check_invariants().await;
}

#[tokio::test]
async fn c3_each_failed_attempt_keeps_who_made_it() {
    let db = Db::new().await;
    let id = db.enqueue(NewJob { max_attempts: Some(3), ..job("k") }).await;
    for _ in 0..3 {
        db.execute(format!("select run_now('{id}')")).await;
        db.claim_one().await;
        db.expire(id).await;
        db.sweep().await.unwrap();
    }
    let tries: Vec<(i32, String, String)> = db
        .rows(format!(
            "select attempt, worker_id, outcome from attempts where job_id = '{id}' order by attempt"
        ))
        .await;
    let crashed = |attempt| (attempt, "w".to_owned(), "crashed".to_owned());
    assert_eq!(tries, [crashed(1), crashed(2), crashed(3)]);
    assert_eq!(db.state(id).await, "failed");
}
