//! Doctor: what is wrong is found, what is well is not, and workers write less while dead rows pile up.

use tidemill::Context;
use tidemill::store::doctor::Finding;

use crate::support::{Db, Mill, Session, job, ok, wait_for};

/// The findings of one check.
async fn found(db: &Db, check: &str) -> Vec<Finding> {
    db.doctor().await.unwrap().into_iter().filter(|finding| finding.check == check).collect()
}

#[tokio::test]
async fn a_fresh_installation_is_well_but_for_the_settings_of_tests() {
    let db = Db::new().await;
    // Servers of tests are not synced, and others use them at the same time.
    let others = ["settings", "horizon", "connections", "wal"];
    let findings = db.doctor().await.unwrap();
    let findings: Vec<_> =
        findings.iter().filter(|finding| !others.contains(&finding.check.as_str())).collect();
    assert!(findings.is_empty(), "{findings:?}");
}

#[tokio::test]
async fn it_names_the_session_that_holds_the_horizon() {
    let db = Db::new().await;
    let mut old = Session::begin(&db).await;
    old.run("set transaction isolation level repeatable read").await.unwrap();
    old.run("select 1 from jobs").await.unwrap();
    let pid = old.pid;
    let holds: bool = db
        .scalar(format!("select exists (select from horizon_holders() where details ->> 'pid' = '{pid}')"))
        .await;
    assert!(holds);
    old.run("rollback").await.unwrap();
    let holds: bool = db
        .scalar(format!("select exists (select from horizon_holders() where details ->> 'pid' = '{pid}')"))
        .await;
    assert!(!holds);
}

#[tokio::test]
async fn a_missing_partition_and_an_unlogged_table_are_critical() {
    let db = Db::new().await;
    let today: String = db.scalar("select to_char(now() at time zone 'UTC', 'YYYY_MM_DD')").await;
    db.execute(format!("drop table events_{today}; alter table limits set unlogged")).await;
    let partitions = found(&db, "partitions").await;
    assert_eq!(partitions.len(), 1, "{partitions:?}");
    assert_eq!((partitions[0].severity.as_str(), partitions[0].message.contains(&today)), ("critical", true));
    let settings = found(&db, "settings").await;
    assert!(settings.iter().any(|finding| finding.message.contains("limits is unlogged")), "{settings:?}");
    db.execute("select ensure_partitions()").await;
    assert!(found(&db, "partitions").await.is_empty());
}

#[tokio::test]
async fn o5_what_was_changed_by_hand_is_told() {
    let db = Db::new().await;
    db.execute(
        "drop index jobs_live_tags;
         alter table limits add column mine text;
         alter table jobs disable trigger all;
         alter table jobs_live disable trigger jobs_live_awaited;
         create or replace function tell(p_message text) returns void language sql as 'select null'",
    )
    .await;
    let drift: Vec<_> = found(&db, "schema").await.into_iter().map(|finding| finding.message).collect();
    for expected in [
        "missing or changed: index jobs_live_tags",
        "not made by a migration: column limits.mine text",
        "missing or changed: trigger jobs_live.jobs_live_awaited",
        "missing or changed: function tell(",
    ] {
        assert!(drift.iter().any(|line| line.starts_with(expected)), "{expected}: {drift:?}");
    }
}

#[tokio::test]
async fn workers_that_are_lost_differ_or_have_wrong_clocks_are_named() {
    let db = Db::new().await;
    db.execute(
        "insert into workers (id, name, host, version, kinds, lease_ttl, seen_at, clock_skew)
         values ('lost', 'a', 'h', '1', '{}', '30 s', now() - interval '1 hour', '0'),
                ('fast', 'b', 'h', '1', '{}', '30 s', now(), '1 minute'),
                ('new', 'c', 'h', '2', '{}', '30 s', now(), '0')",
    )
    .await;
    let lost = found(&db, "workers").await;
    assert!(lost.len() == 1 && lost[0].message.contains("worker lost on h"), "{lost:?}");
    let clocks = found(&db, "clocks").await;
    assert!(clocks.len() == 1 && clocks[0].details["seconds"] == 60.0, "{clocks:?}");
    assert_eq!(found(&db, "versions").await.len(), 1);
}

#[tokio::test]
async fn delays_breakers_endings_and_schedules_are_told() {
    let db = Db::new().await;
    db.enqueue(job("k")).await;
    db.execute(
        "update jobs_live set run_at = now() - interval '1 hour';
         insert into endings (job_id, at) values (gen_random_uuid(), now() - interval '1 hour');
         insert into kinds (name, source, breaker_after, breaker_open_until) values ('k', 'rust', 1, now() + interval '1 hour')",
    )
    .await;
    for check in ["delay", "endings", "breakers"] {
        assert_eq!(found(&db, check).await.len(), 1, "{check}");
    }
}

#[tokio::test]
async fn a_worker_says_its_clock_and_sheds_while_dead_rows_pile_up() {
    let db = Db::new().await;
    // As if the statistics said so, and somebody kept them.
    db.execute("create or replace function shall_shed() returns boolean language sql set search_path from current as 'select exists (select from queues where name = ''held'')'").await;
    db.execute("insert into queues (name) values ('held')").await;
    let mill = Mill::builder(&db.store)
        .handler("k", |context: Context| async move {
            for percent in 1..=50 {
                context.progress(f64::from(percent) * 2.0, "counting").await;
                // The step changes, so that none is overtaken within a batch.
                context.progress_with(None, Some(&format!("step {percent}")), None).await;
            }
            ok(None)
        })
        .start();
    let skew = || async {
        let skews: Vec<(Option<f64>,)> =
            db.rows("select extract(epoch from clock_skew)::float8 from workers").await;
        skews.first().and_then(|(skew,)| *skew).filter(|skew| skew.abs() < 5.0)
    };
    wait_for("the worker says its clock", skew).await;
    let id = wait_for("it sheds", || async {
        let id = db.enqueue(job("k")).await;
        wait_for("it completes", || async { (db.state(id).await == "completed").then_some(()) }).await;
        (db.event_types(id).await.len() < 20).then_some(id)
    })
    .await;
    let progress = db.job(id).await.progress.unwrap();
    assert_eq!(
        (progress.percent, progress.step.as_deref()),
        (Some(100.0), Some("step 50")),
        "the last is never lost"
    );
    mill.stop().await;
}
