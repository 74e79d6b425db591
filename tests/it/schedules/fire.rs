//! A slot fires once: with racing schedulers, through killed connections, restarts and a clock that
//! steps back; and what was missed fires as its schedule says.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tidemill::Store;

use super::{due, hourly, jobs, look, outcomes};
use crate::support::{Db, wait_at_most};

/// A scheduler that takes every failure for a reason to look again.
async fn stubborn(store: Store, stop: Arc<AtomicBool>) -> usize {
    let mut failures = 0;
    while !stop.load(Ordering::Relaxed) {
        let Ok(pending) = store.pending_schedules().await else {
            failures += 1;
            continue;
        };
        for pending in pending {
            failures += usize::from(store.advance_schedule(&pending).await.is_err());
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    failures
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn n2_two_schedulers_whose_connections_are_killed_fire_a_thousand_slots_once() {
    let db = Db::new().await;
    db.execute("select set_schedule('s', 'k', every => '1 second', missed => 'all', missed_limit => 1000, overlap => 'allow')")
        .await;
    look(&db).await;
    db.execute(
        "update schedules
         set anchor_at = date_trunc('second', now()), next_at = date_trunc('second', now()) - interval '985 seconds'",
    )
    .await;
    let stop = Arc::new(AtomicBool::new(false));
    let racers: Vec<_> =
        (0..2).map(|_| tokio::spawn(stubborn(db.another_store(), Arc::clone(&stop)))).collect();
    let mut kills = 0;
    wait_at_most(Duration::from_mins(1), "a thousand slots to fire", || {
        kills += 1;
        let db = &db;
        async move {
            // The crash in the middle: a process that runs a statement now loses its connection.
            db.execute(
                "select pg_terminate_backend(pid)
                 from pg_stat_activity
                 where datname = current_database() and query like '%fire_schedule%' and state = 'active'
                   and pid <> pg_backend_pid() and random() < 0.1",
            )
            .await;
            (db.count("schedule_slots").await >= 1000).then_some(())
        }
    })
    .await;
    stop.store(true, Ordering::Relaxed);
    let mut failures = 0;
    for racer in racers {
        failures += racer.await.unwrap();
    }
    assert!(failures > 0, "no connection was killed in {kills} tries");
    let slots = db.count("schedule_slots where outcome = 'enqueued'").await;
    assert!(slots >= 1000, "{slots}");
    assert_eq!(db.count("schedule_slots").await, slots);
    let whole: bool = db
        .scalar("select count(*) = extract(epoch from max(slot) - min(slot)) + 1 from schedule_slots")
        .await;
    assert!(whole, "slots are missing");
    assert_eq!(jobs(&db, "s").await, slots);
    let distinct: i64 = db.scalar("select count(distinct metadata ->> 'slot') from jobs").await;
    assert_eq!(distinct, slots);
    let strangers = "jobs j where not exists (select from schedule_slots s where s.job_id = j.id and s.slot = (j.metadata ->> 'slot')::timestamptz)";
    assert_eq!(db.count(strangers).await, 0);
    db.check_invariants().await;
}

#[tokio::test]
async fn n2_a_slot_that_fired_never_fires_again() {
    let db = Db::new().await;
    hourly(&db, "s", "").await;
    due(&db, "s", 0).await;
    assert_eq!(outcomes(&db).await, ["enqueued"]);
    // A restart within the hour computes from what is stored.
    let restarted = db.another_store();
    assert!(look(&restarted).await.is_empty());
    db.execute("update schedules set next_at = null").await;
    assert!(look(&restarted).await.is_empty());
    assert_eq!(db.count("schedules where next_at = anchor_at + interval '1 hour'").await, 1);
    // The clock stepped back, and what is known of the last slot with it.
    db.execute("update schedules set next_at = anchor_at, last_slot_at = null, unfinished = '{}'").await;
    assert_eq!(outcomes(&restarted).await, ["repeated"]);
    assert_eq!((jobs(&db, "s").await, db.count("schedule_slots").await), (1, 1));
    assert_eq!(db.count("schedules where next_at = anchor_at + interval '1 hour'").await, 1);
}

#[tokio::test]
async fn n2_nothing_fires_before_the_databases_clock_says_so() {
    let db = Db::new().await;
    hourly(&db, "s", "").await;
    let early: Option<String> = db
        .scalar("select fire_schedule('s', next_at, next_at + interval '1 hour', '{}') from schedules")
        .await;
    assert_eq!(early, None);
    due(&db, "s", 0).await;
    // A slot that another scheduler has moved on from.
    let late: Option<String> = db
        .scalar("select fire_schedule('s', next_at - interval '1 hour', next_at, '{}') from schedules")
        .await;
    assert_eq!(late, None);
    assert_eq!((jobs(&db, "s").await, db.count("schedule_slots").await), (0, 0));
}

#[tokio::test]
async fn n2_a_missed_window_is_skipped_fired_once_or_whole() {
    let db = Db::new().await;
    for (name, options) in [
        ("skip", ", missed => 'skip', overlap => 'allow'"),
        ("one", ", missed => 'one', overlap => 'allow'"),
        ("all", ", missed => 'all', missed_limit => 3, overlap => 'allow'"),
    ] {
        hourly(&db, name, options).await;
    }
    // Five slots were missed; the last of them an hour and ten seconds ago is not on time either.
    db.execute(
        "update schedules
         set anchor_at = now() - interval '10 minutes', next_at = now() - interval '10 minutes' - interval '4 hours'",
    )
    .await;
    look(&db).await;
    let story: Vec<(String, String)> = db
        .rows(
            "select schedule, string_agg(outcome || ' ' || round(extract(epoch from s.anchor_at - slot) / 3600), ', ' order by slot)
             from schedule_slots join schedules s on s.name = schedule
             group by schedule order by schedule",
        )
        .await;
    let outcomes_of: Vec<_> =
        story.iter().map(|(name, outcomes)| (name.as_str(), outcomes.as_str())).collect();
    assert_eq!(
        outcomes_of,
        [
            ("all", "missed 4, enqueued 2, enqueued 1, enqueued 0"),
            ("one", "missed 4, enqueued 0"),
            ("skip", "missed 4")
        ]
    );
    assert_eq!(db.count("schedules where next_at > now() and cardinality(upcoming) = 5").await, 3);
    let reason: String = db.scalar("select reason from schedule_slots where schedule = 'skip'").await;
    assert!(reason.contains("no scheduler polled in time"), "{reason}");
}

#[tokio::test]
async fn n2_jitter_is_the_same_for_the_same_slot() {
    let db = Db::new().await;
    for name in ["a", "b"] {
        hourly(
            &db,
            name,
            ", jitter => '10 minutes', missed => 'all', missed_limit => 50, overlap => 'allow'",
        )
        .await;
        due(&db, name, 49).await;
    }
    look(&db).await;
    let late = "select array_agg(extract(epoch from j.run_at - s.slot)::double precision order by s.schedule, s.slot)
                from schedule_slots s join jobs j on j.id = s.job_id";
    let first: Vec<f64> = db.scalar(late).await;
    assert_eq!(first.len(), 100);
    assert!(first.iter().all(|late| (0.0..600.0).contains(late)), "{first:?}");
    assert!(first.iter().any(|late| *late > 300.0) && first.iter().any(|late| *late < 300.0));
    assert_ne!(first[..50], first[50..]);
    // Fired again, as after the loss of the rows: the same shares.
    db.execute("delete from schedule_slots; delete from jobs; update schedules set next_at = anchor_at - interval '49 hours', unfinished = '{}'").await;
    look(&db).await;
    let again: Vec<f64> = db.scalar(late).await;
    assert_eq!(first, again);
}

#[tokio::test]
async fn n2_one_that_fails_does_not_stop_the_others() {
    let db = Db::new().await;
    for name in ["a", "b", "c", "d"] {
        hourly(&db, name, &format!(", queue => '{name}'")).await;
    }
    for name in ["a", "b", "c", "d"] {
        due(&db, name, 0).await;
    }
    db.execute(
        "select drain_queue('b'); update schedules set cron = '61 * * * *', every = null where name = 'c'",
    )
    .await;
    look(&db).await;
    let story: Vec<(String, Option<String>, Option<String>)> = db
        .rows("select name, outcome, problem from schedules left join schedule_slots on schedule = name order by name")
        .await;
    assert_eq!(story[0], ("a".into(), Some("enqueued".into()), None));
    assert_eq!(story[1].1.as_deref(), Some("skipped"));
    assert!(story[1].2.as_ref().is_some_and(|problem| problem.contains("queue_draining")), "{story:?}");
    assert!(story[2].2.as_ref().is_some_and(|problem| problem.contains("\"61\" is no minute")), "{story:?}");
    assert_eq!(story[3], ("d".into(), Some("enqueued".into()), None));
    // What cannot be computed is not tried again and again.
    assert!(db.work_due().await.unwrap().schedule_seconds.is_some_and(|seconds| seconds > 3000.0));
    // Once it can be enqueued, all is well.
    db.execute("select resume_queue('b')").await;
    due(&db, "b", 0).await;
    assert_eq!(outcomes(&db).await, ["enqueued"]);
    assert_eq!(db.count("schedules where name = 'b' and problem is null").await, 1);
}

#[tokio::test]
async fn n2_a_one_time_schedule_fires_once_and_is_over() {
    let db = Db::new().await;
    db.execute("select set_schedule('s', 'k', at => now() + interval '1 hour')").await;
    look(&db).await;
    assert_eq!(db.count("schedules where next_at = at and upcoming = array[at]").await, 1);
    // The hour passes.
    db.execute("alter table schedules disable trigger schedule_written; update schedules set at = now(), next_at = now(); alter table schedules enable trigger schedule_written").await;
    assert_eq!(outcomes(&db).await, ["enqueued"]);
    assert_eq!(
        db.count("schedules where next_at = 'infinity' and upcoming = '{}' and problem is null").await,
        1
    );
    assert_eq!(db.work_due().await.unwrap().schedule_seconds, None);
    db.execute("select set_schedule('late', 'k', at => now() - interval '1 hour')").await;
    assert!(look(&db).await.is_empty());
    let problem: String = db.scalar("select problem from schedules where name = 'late'").await;
    assert!(problem.contains("in the past"), "{problem}");
}
