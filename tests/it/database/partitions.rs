//! Partitions: promise 13 — history stays until its retention ends, and dropping it never blocks
//! enqueue or claim.

use std::time::Duration;

use tidemill::NewJob;
use tidemill::store::jobs::enqueue::InsertOutcome;
use tokio::time::Instant;
use uuid::Uuid;

use crate::support::{Db, Session, job};

pub(crate) const MONTH_SECONDS: f64 = 30.0 * 24.0 * 3600.0;

/// A day of the history in 2020 with a finished job, its name and its progress.
pub(crate) async fn old_day(db: &Db, day: u32) -> Uuid {
    let id = Uuid::now_v7();
    db.execute(format!(
        "create table jobs_2020_01_{day:02} partition of jobs_finished for values from ('2020-01-{day:02}') to ('2020-01-{:02}');
         create table events_2020_01_{day:02} partition of events for values from ('2020-01-{day:02}') to ('2020-01-{:02}');
         insert into jobs (id, kind, state, finished_at) values ('{id}', 'k', 'completed', '2020-01-{day:02} 12:00+00');
         insert into events (job_id, seq, attempt, type, data, at)
         values ('{id}', 1, 1, 'log', '{{}}', '2020-01-{day:02} 11:00+00');
         insert into progress values ('{id}', 1);
         insert into task_ids values ('old-{day}', '{id}')",
        day + 1,
        day + 1,
    ))
    .await;
    id
}

/// Enqueues, claims and completes a job and answers how long that took.
async fn round(db: &Db) -> Duration {
    let began = Instant::now();
    let claimed = db.running().await;
    assert!(db.complete_one(&claimed).await);
    began.elapsed()
}

#[tokio::test]
async fn o3_are_made_two_weeks_ahead_once() {
    let db = Db::new().await;
    for (name, parent) in [("jobs", "jobs_finished"), ("events", "events"), ("attempts", "attempts")] {
        let ahead: bool = db
            .scalar(format!(
                "select count(*) = 16
                 from generate_series((now() at time zone 'UTC')::date - 1, (now() at time zone 'UTC')::date + 14, interval '1 day') as day
                 join pg_inherits on inhparent = '{parent}'::regclass
                   and inhrelid = to_regclass('{name}_' || to_char(day, 'YYYY_MM_DD'))"
            ))
            .await;
        assert!(ahead, "{parent}");
    }
    assert_eq!(db.ensure_partitions().await.unwrap(), 0);
    let made: i32 = db.scalar("select ensure_partitions(16)").await;
    assert_eq!(made, 6);
}

#[tokio::test]
async fn o3_past_their_retention_are_dropped_with_all_that_is_known_of_their_jobs() {
    let db = Db::new().await;
    let kept = db.running().await;
    db.complete_one(&kept).await;
    let (first, second, live) = (old_day(&db, 1).await, old_day(&db, 2).await, old_day(&db, 3).await);
    db.retry(live, "me").await.unwrap();
    let dropped = db.drop_partitions(MONTH_SECONDS).await.unwrap();
    let expected = [1, 2, 3].map(|day| [format!("events_2020_01_0{day}"), format!("jobs_2020_01_0{day}")]);
    assert_eq!(dropped, expected.concat());
    for gone in [first, second] {
        assert!(db.find_job(gone).await.unwrap().is_none());
        assert_eq!(db.count(&format!("task_ids where job_id = '{gone}'")).await, 0);
        assert_eq!(db.count(&format!("progress where job_id = '{gone}'")).await, 0);
    }
    assert_eq!(db.state(live).await, "available");
    assert_eq!(db.job_id_of("old-3").await.unwrap(), Some(live), "a job that lives again keeps its name");
    assert_eq!(db.state(kept.id).await, "completed");
    assert!(db.drop_partitions(MONTH_SECONDS).await.unwrap().is_empty());
    let again = db.enqueue_all(&[NewJob { execution_id: Some("old-1".into()), ..job("k") }]).await;
    assert_eq!(again[0].outcome, InsertOutcome::Created);
}

#[tokio::test]
async fn o3_that_somebody_reads_are_left_and_hold_up_nobody() {
    let db = Db::new().await;
    old_day(&db, 1).await;
    let mut reader = Session::begin(&db).await;
    reader.run("select count(*)::text from job_history, events").await.unwrap();
    let store = db.another_store();
    let dropping = tokio::spawn(async move {
        let mut dropped = Vec::new();
        for _ in 0..3 {
            dropped.extend(store.drop_partitions(MONTH_SECONDS).await.unwrap());
        }
        dropped
    });
    let mut slowest = Duration::ZERO;
    while !dropping.is_finished() {
        slowest = slowest.max(round(&db).await);
    }
    assert!(dropping.await.unwrap().is_empty(), "dropped while somebody reads it");
    assert!(slowest < Duration::from_secs(5), "a job took {slowest:?} meanwhile");
    reader.run("commit").await.unwrap();
    assert_eq!(db.drop_partitions(MONTH_SECONDS).await.unwrap().len(), 2);
}

#[tokio::test]
async fn days_are_made_beside_a_reader_of_all_jobs_and_hold_up_nobody() {
    let db = Db::new().await;
    let mut reader = Session::begin(&db).await;
    reader.run("select count(*)::text from jobs").await.unwrap();
    let store = db.another_store();
    let making = tokio::spawn(async move {
        sqlx::query_scalar::<_, i32>("select ensure_partitions(20)").fetch_one(store.pool()).await
    });
    let mut slowest = Duration::ZERO;
    while !making.is_finished() {
        slowest = slowest.max(round(&db).await);
    }
    assert!(slowest < Duration::from_secs(5), "a job took {slowest:?} meanwhile");
    assert_eq!(making.await.unwrap().unwrap(), 18);
    reader.run("commit").await.unwrap();
}

#[tokio::test]
async fn making_days_behind_a_lock_gives_up_soon() {
    let db = Db::new().await;
    let mut holder = Session::begin(&db).await;
    holder.run("lock table jobs_finished in share update exclusive mode").await.unwrap();
    let made = sqlx::query_scalar::<_, i32>("select ensure_partitions(20)").fetch_one(db.pool()).await;
    let refused = made.map_err(tidemill::store::Error::from).expect_err("the lock is in the way");
    assert!(refused.is_transient(), "{refused}");
    round(&db).await;
    holder.run("commit").await.unwrap();
    let made: i32 = db.scalar("select ensure_partitions(20)").await;
    assert_eq!(made, 18);
}

#[tokio::test]
async fn migrating_does_not_fail_for_a_lock_in_the_way_of_a_new_day() {
    let db = Db::new().await;
    db.execute(format!(
        "drop table jobs_{}",
        db.scalar::<String>("select to_char((now() at time zone 'UTC')::date + 14, 'YYYY_MM_DD')").await
    ))
    .await;
    let mut holder = Session::begin(&db).await;
    holder.run("lock table jobs_finished in share update exclusive mode").await.unwrap();
    tidemill::store::db::migrate::migrate(&db.options()).await.unwrap();
    holder.run("commit").await.unwrap();
    assert_eq!(db.ensure_partitions().await.unwrap(), 1);
}

#[tokio::test]
async fn o3_a_jobs_own_retention_is_kept_and_all_of_it_goes() {
    let db = Db::new().await;
    let short =
        NewJob { retain: Some(Duration::from_secs(60)), execution_id: Some("short".into()), ..job("k") };
    let ids = [db.enqueue(short.clone()).await, db.enqueue(job("k")).await];
    for claimed in db.claim_some("default", "k", 2).await {
        db.execute(format!("select append_event('{}', 1, 'log', '{{}}')", claimed.id)).await;
        db.complete_one(&claimed).await;
    }
    let cancelled = NewJob { id: Uuid::now_v7(), execution_id: None, ..short };
    let cancelled = db.enqueue(cancelled).await;
    db.cancel(cancelled, None, "me").await.unwrap();
    assert_eq!(db.prune().await.unwrap(), 0, "not before it ended");
    let kept_for: Vec<(f64,)> = db
        .rows("select extract(epoch from retain_until - finished_at)::float8 from jobs where retain is not null")
        .await;
    assert!(
        kept_for.len() == 2 && kept_for.iter().all(|(seconds,)| (seconds - 60.0).abs() < 1.0),
        "{kept_for:?}"
    );
    db.execute("update jobs set retain_until = now() - interval '1 s' where retain is not null").await;
    assert_eq!(db.prune().await.unwrap(), 2);
    assert!(db.find_job(ids[0]).await.unwrap().is_none() && db.find_job(cancelled).await.unwrap().is_none());
    assert_eq!(db.state(ids[1]).await, "completed");
    for (table, left) in [("task_ids", 0), ("events", 1), ("progress", 1)] {
        assert_eq!(db.count(table).await, left, "{table}");
    }
}

#[tokio::test]
async fn pruning_leaves_the_backlog_unread() {
    let db = Db::new().await;
    let jobs: Vec<NewJob> = (0..200).map(|_| job("k")).collect();
    db.enqueue_all(&jobs).await;
    let plan: Vec<(String,)> = db
        .rows("explain select id from jobs where finished_at is not null and retain_until < now() limit 5000")
        .await;
    let reads_live = plan.iter().any(|(line,)| line.contains("jobs_live"));
    assert!(!reads_live, "{plan:?}");
}

#[tokio::test]
async fn workers_gone_for_a_day_are_forgotten() {
    let db = Db::new().await;
    db.execute(
        "insert into workers (id, name, host, version, lease_ttl, seen_at)
         values ('old', 'n', 'h', '1', '30 s', now() - interval '25 h'), ('new', 'n', 'h', '1', '30 s', now())",
    )
    .await;
    db.prune().await.unwrap();
    let left: Vec<(String,)> = db.rows("select id from workers").await;
    assert_eq!(left, [("new".to_owned(),)]);
}
