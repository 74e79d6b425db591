//! Report: promise 8 — a job's events are numbered from 1 without gaps, in the order of their
//! commits — and promise 3 for a worker that lost the lease.

use serde_json::json;
use tidemill::JobState;
use tidemill::job::event::EventDraft;
use tidemill::store::attempts::claim::Claimed;
use tidemill::store::attempts::report::Reported;
use uuid::Uuid;

use crate::support::{Db, Session, blocked_or_done, job, wait_for};

fn line(claimed: &Claimed, text: &str) -> Reported {
    Reported {
        job_id: claimed.id,
        lease_id: claimed.lease_id,
        draft: EventDraft::new("log", json!({ "stream": "log", "line": text })),
    }
}

fn progress(claimed: &Claimed, percent: Option<f64>, step: Option<&str>) -> Reported {
    Reported { draft: EventDraft::progress(percent, step, None), ..line(claimed, "") }
}

#[tokio::test]
async fn numbers_the_events_of_each_job_in_the_order_given() {
    let db = Db::new().await;
    let (a, b) = (db.running().await, db.running().await);
    let batch = [line(&a, "1"), line(&b, "1"), line(&a, "2"), line(&b, "2"), line(&a, "3")];
    let marks = db.report(Uuid::new_v4(), &batch).await.unwrap();
    assert_eq!((marks[&a.id], marks[&b.id]), (3, 2));
    assert_eq!(db.report(Uuid::new_v4(), &[line(&a, "4")]).await.unwrap()[&a.id], 4);
    let events = db.events_after(a.id, 0, &[], 10).await.unwrap();
    let lines: Vec<_> =
        events.iter().map(|event| (event.seq, event.data["line"].as_str().unwrap())).collect();
    assert_eq!(lines, [(1, "1"), (2, "2"), (3, "3"), (4, "4")]);
    assert_eq!(events[0].attempt, 1);
    let later = db.events_after(a.id, 2, &["log".into()], 1).await.unwrap();
    assert_eq!(later.iter().map(|event| event.seq).collect::<Vec<_>>(), [3]);
    db.check_invariants().await;
}

#[tokio::test]
async fn keeps_the_progress_row_at_the_latest_of_each_field() {
    let db = Db::new().await;
    let claimed = db.running().await;
    assert!(db.job(claimed.id).await.progress.is_none());
    db.report(Uuid::new_v4(), &[line(&claimed, "no progress yet")]).await.unwrap();
    assert!(db.job(claimed.id).await.progress.is_none(), "a log line is no progress");
    let data =
        Reported { draft: EventDraft::progress(None, None, Some(json!({"files": 3}))), ..line(&claimed, "") };
    db.report(
        Uuid::new_v4(),
        &[
            progress(&claimed, Some(10.0), Some("fetch")),
            data,
            line(&claimed, "x"),
            progress(&claimed, Some(55.5), None),
        ],
    )
    .await
    .unwrap();
    let shown = db.job(claimed.id).await.progress.unwrap();
    assert_eq!((shown.percent, shown.step.as_deref(), shown.seq), (Some(55.5), Some("fetch"), 5));
    assert_eq!(shown.data, Some(json!({"files": 3})));
    db.report(Uuid::new_v4(), &[progress(&claimed, None, Some("build"))]).await.unwrap();
    let shown = db.job(claimed.id).await.progress.unwrap();
    assert_eq!((shown.percent, shown.step.as_deref(), shown.seq), (Some(55.5), Some("build"), 6));
}

#[tokio::test]
async fn d2_hears_nobody_without_the_lease() {
    let db = Db::new().await;
    let (lost, held) = (db.running().await, db.running().await);
    db.expire(lost.id).await;
    db.sweep().await.unwrap();
    let forged = Reported { lease_id: Uuid::new_v4(), ..line(&held, "forged") };
    let finished = db.running().await;
    db.complete_one(&finished).await;
    let batch = [line(&lost, "late"), forged, line(&finished, "late"), line(&held, "heard")];
    let marks = db.report(Uuid::new_v4(), &batch).await.unwrap();
    assert_eq!(marks, [(held.id, 1)].into());
    assert_eq!(db.event_types(lost.id).await, ["lease_lost", "retry"]);
    assert_eq!(db.event_types(finished.id).await, Vec::<String>::new());
    assert_eq!(db.event_types(held.id).await, ["log"]);
    assert!(db.report(Uuid::new_v4(), &[]).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn m1_numbers_stay_without_gaps_and_in_commit_order_under_concurrent_writers() {
    let db = Db::new().await;
    let claimed = [db.running().await, db.running().await, db.running().await];
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..8 {
        let (store, jobs) = (db.store.clone(), claimed.clone());
        writers.spawn(async move {
            for round in 0..25 {
                // Other writers name the jobs in another order.
                let mut batch: Vec<_> =
                    jobs.iter().flat_map(|job| [line(job, "a"), progress(job, Some(1.0), None)]).collect();
                if writer % 2 == 0 {
                    batch.reverse();
                }
                if round % 5 == writer % 5 {
                    // Some are rolled back after they were numbered.
                    let mut transaction = store.pool().begin().await.unwrap();
                    sqlx::query("select append_event($1, 1, 'void', '{}')")
                        .bind(jobs[0].id)
                        .execute(transaction.connection())
                        .await
                        .unwrap();
                    transaction.rollback().await.unwrap();
                }
                store.report(Uuid::new_v4(), &batch).await.unwrap();
                if round == 12 {
                    store.cancel(jobs[writer % 3].id, None, "me").await.unwrap();
                }
            }
        });
    }
    // A reader that goes on from what it saw must see every number once and in order.
    let (reader, watched) = (db.another_store(), claimed[0].id);
    let reading = tokio::spawn(async move {
        let mut seen = 0;
        while seen < 401 {
            for event in reader.events_after(watched, seen, &[], 1_000).await.unwrap() {
                assert_eq!(event.seq, seen + 1, "the reader missed an event");
                seen = event.seq;
            }
        }
    });
    writers.join_all().await;
    tokio::time::timeout(crate::support::DEADLINE, reading).await.expect("all arrive").unwrap();
    for job in &claimed {
        let types = db.event_types(job.id).await;
        assert_eq!(types.len(), 401);
        assert_eq!(types.iter().filter(|kind| *kind == "cancel_requested").count(), 1);
    }
    db.check_invariants().await;
}

#[tokio::test]
async fn m1_events_of_the_engine_and_of_the_handler_share_one_numbering() {
    let db = Db::new().await;
    let id = db.enqueue(job("k")).await;
    let claimed = db.claim_one().await;
    db.report(Uuid::new_v4(), &[line(&claimed, "a")]).await.unwrap();
    db.cancel(id, Some("stop"), "me").await.unwrap();
    db.report(Uuid::new_v4(), &[line(&claimed, "b")]).await.unwrap();
    db.expire(id).await;
    db.sweep().await.unwrap();
    assert_eq!(db.retry(id, "me").await.unwrap(), Some(JobState::Available));
    let types = db.event_types(id).await;
    assert_eq!(types, ["log", "cancel_requested", "log", "lease_lost", "retry"]);
    let events = db.events_after(id, 1, &[], 1).await.unwrap();
    assert_eq!(events[0].data, json!({"by": "me", "reason": "stop"}));
}

#[tokio::test]
async fn makes_the_days_partition_if_it_is_missing() {
    let db = Db::new().await;
    let claimed = db.running().await;
    crate::attempts::complete::drop_todays_partitions(&db).await;
    assert_eq!(db.report(Uuid::new_v4(), &[line(&claimed, "x")]).await.unwrap()[&claimed.id], 1);
}

#[tokio::test]
async fn a_report_whose_answer_was_cut_off_is_repeated_and_stored_once() {
    let db = Db::new().await;
    let (a, b) = (db.running().await, db.running().await);
    let batch = [line(&a, "1"), line(&b, "1"), progress(&a, Some(5.0), None)];
    let report = Uuid::new_v4();
    let first = db.report(report, &batch).await.unwrap();
    db.execute(format!("select cancel('{}')", a.id)).await;
    let again = db.report(report, &batch).await.unwrap();
    assert_eq!((first[&a.id], first[&b.id], again[&b.id]), (2, 1, 1));
    assert_eq!(again[&a.id], 3, "the number of its last event, which is the cancel");
    db.report(Uuid::new_v4(), &[line(&a, "2")]).await.unwrap();
    assert_eq!(db.event_types(a.id).await, ["log", "progress", "cancel_requested", "log"]);
    db.check_invariants().await;
}

#[tokio::test]
async fn a_report_is_stored_once_also_if_the_first_try_commits_while_the_second_waits() {
    let db = Db::new().await;
    let claimed = db.running().await;
    let report = Uuid::new_v4();
    let mut first = Session::begin(&db).await;
    let append = format!(
        "select append_events(array['{}'::uuid], '{{1}}', '{{log}}', array['{{}}'::jsonb], '{report}')",
        claimed.id
    );
    first.run(&append).await.unwrap();
    let store = db.another_store();
    let item = line(&claimed, "1");
    let rival = tokio::spawn(async move { store.report(report, &[item]).await.unwrap() });
    let pid = wait_for("the second try waits", || async {
        let waiting: Vec<(i32,)> = db
            .rows("select pid from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()")
            .await;
        waiting.first().map(|row| row.0)
    })
    .await;
    assert!(blocked_or_done(&db, pid, &rival).await);
    first.run("commit").await.unwrap();
    assert!(rival.await.unwrap().contains_key(&claimed.id), "its lease is held");
    assert_eq!(db.event_types(claimed.id).await, ["log"]);
    db.check_invariants().await;
}
