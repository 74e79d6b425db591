//! Sessions, prepared transactions and slots that keep dead rows from being removed: the doctor names them, and workers
//! write less while dead rows accumulate.

use std::sync::Arc;

use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tidemill::embedded::EmbeddedPostgres;
use tidemill::metrics::Metrics;
use tidemill::store::db::migrate::migrate;
use tidemill::store::doctor::Finding;
use tidemill::{Context, Store};

use crate::doctor::found;
use crate::support::{Db, Mill, Session, job, ok, options, settings, wait_for};

/// Whether a session is said to hold the horizon.
async fn holds(db: &Db, session: &Session) -> bool {
    let pid = session.pid;
    db.scalar(format!("select exists (select from horizon_holders() where details ->> 'pid' = '{pid}')"))
        .await
}

/// Leaves so many dead rows in the table of live jobs, and lets the statistics know.
pub(crate) async fn leave_dead_rows(connection: &mut PgConnection, rows: u32) {
    for statement in [
        // Nobody else shall clear them away or count them.
        "alter table jobs_live set (autovacuum_enabled = off)".to_owned(),
        format!(
            "insert into jobs_live (id, kind) select new_job_id(), 'dead' from generate_series(1, {rows})"
        ),
        "delete from jobs_live where kind = 'dead'".into(),
        "select pg_stat_force_next_flush()".into(),
    ] {
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut *connection).await.unwrap();
    }
}

#[tokio::test]
async fn it_names_the_sessions_that_hold_the_horizon_and_no_other() {
    let db = Db::new().await;
    // One that wrote has a transaction id and no snapshot; one that reads at this level has only a snapshot.
    let mut writer = Session::begin(&db).await;
    writer.run("insert into queues (name) values ('held')").await.unwrap();
    let mut reader = Session::begin(&db).await;
    reader.run("set transaction isolation level repeatable read").await.unwrap();
    reader.run("select 1 from jobs").await.unwrap();
    // Its statement is over, and with it its snapshot.
    let mut idle = Session::begin(&db).await;
    idle.run("select 1 from jobs").await.unwrap();
    let another = Db::new().await;
    let mut elsewhere = Session::begin(&another).await;
    elsewhere.run("insert into queues (name) values ('held')").await.unwrap();
    assert!(holds(&db, &writer).await && holds(&db, &reader).await);
    assert!(!holds(&db, &idle).await && !holds(&db, &elsewhere).await);
    // And so it is: vacuum leaves what died since, until they have ended.
    let mut other = db.connect().await;
    leave_dead_rows(&mut other, 1_000).await;
    let dead = async || -> i64 {
        db.execute("vacuum jobs_live").await;
        db.scalar("select pg_stat_get_dead_tuples('jobs_live'::regclass)").await
    };
    assert_eq!(dead().await, 1_000);
    reader.run("rollback").await.unwrap();
    assert_eq!(dead().await, 1_000, "the writer holds them alone");
    writer.run("rollback").await.unwrap();
    assert!(!holds(&db, &writer).await && !holds(&db, &reader).await);
    wait_for("what nobody holds goes", || async { (dead().await == 0).then_some(()) }).await;
}

#[tokio::test]
async fn dead_rows_behind_an_old_transaction_throttle_progress_and_are_reported_with_their_cost() {
    let db = Db::new().await;
    let mut old = Session::begin(&db).await;
    old.run("insert into queues (name) values ('held')").await.unwrap();
    db.enqueue(job("k")).await;
    leave_dead_rows(&mut db.connect().await, 25_000).await;
    assert!(!db.should_shed().await.unwrap(), "a minute may pass");
    // For the connections that are opened from now on.
    db.execute("do $$ begin execute format('alter database %I set tidemill.shed_after = ''0 s''', current_database()); end $$")
        .await;
    let store = db.another_store();
    assert!(store.should_shed().await.unwrap());
    let metrics = Arc::new(Metrics::new());
    let mill = Mill::builder(&store).metrics(metrics.clone()).handler("k", |_| async { ok(None) }).start();
    let sheds = async |expected: i64| {
        wait_for(&format!("tidemill_shedding is {expected}"), || async {
            let line = format!("tidemill_shedding {expected}");
            metrics.text(|_| {}).lines().any(|found| found == line).then_some(())
        })
        .await;
    };
    sheds(1).await;
    let horizon = wait_for("it is told", || async {
        let pid = old.pid;
        found(&db, "horizon").await.into_iter().find(|finding| finding.details["pid"] == pid)
    })
    .await;
    assert_eq!(horizon.details["dead_rows"].as_i64().map(|rows| rows >= 25_000), Some(true), "{horizon:?}");
    assert!(horizon.details["look_milliseconds"].as_f64().is_some_and(|cost| cost > 0.0), "{horizon:?}");
    assert!(horizon.message.contains("a claim from the head of queue default takes"), "{horizon:?}");
    old.run("rollback").await.unwrap();
    wait_for("nothing keeps them", || async {
        db.execute("vacuum jobs_live").await;
        (db.scalar::<i64>("select dead_rows()").await < 20_000).then_some(())
    })
    .await;
    sheds(0).await;
    mill.stop().await;
}

#[tokio::test]
async fn a_worker_says_its_clock_and_sheds_while_dead_rows_pile_up() {
    let db = Db::new().await;
    // As if the statistics said so, and somebody kept them.
    db.execute("create or replace function should_shed() returns boolean language sql set search_path from current as 'select exists (select from queues where name = ''held'')'").await;
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
    wait_for("its row says so", || async { db.workers().await.unwrap()[0].shedding.then_some(()) }).await;
    let progress = db.job(id).await.progress.unwrap();
    assert_eq!(
        (progress.percent, progress.step.as_deref()),
        (Some(100.0), Some("step 50")),
        "the last is never lost"
    );
    mill.stop().await;
}

#[tokio::test]
async fn prepared_transactions_and_slots_that_hold_the_horizon_are_named() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let wanted = || settings(&folder.path().join("data"));
    let postgres = EmbeddedPostgres::start(wanted()).await.unwrap();
    let mut admin = PgConnection::connect(postgres.url()).await.unwrap();
    for setting in ["max_prepared_transactions = 5", "wal_level = logical", "max_connections = 20"] {
        sqlx::raw_sql(AssertSqlSafe(format!("alter system set {setting}")))
            .execute(&mut admin)
            .await
            .unwrap();
    }
    postgres.stop().await.unwrap();
    let postgres = EmbeddedPostgres::start(wanted()).await.unwrap();
    migrate(&options(postgres.url().to_owned())).await.unwrap();
    let store = Store::connect(options(postgres.url().to_owned())).unwrap();
    let horizon = || async {
        let findings = store.doctor().await.unwrap().into_iter().filter(|finding| finding.check == "horizon");
        findings.map(|finding| (finding.message, finding.advice)).collect::<Vec<_>>()
    };
    assert_eq!(horizon().await, []);
    let run = async |sql: &'static str| sqlx::raw_sql(sql).execute(store.pool()).await.unwrap();
    run("begin; select pg_current_xact_id(); prepare transaction 'forgotten'").await;
    // It is told once it lasts.
    let found =
        wait_for("it is found", || async { Some(horizon().await).filter(|found| !found.is_empty()) }).await;
    assert!(found.len() == 1 && found[0].0.contains("prepared transaction forgotten"), "{found:?}");
    assert!(found[0].1.contains("commit prepared 'forgotten', or rollback prepared"), "{found:?}");
    run("rollback prepared 'forgotten'").await;
    assert_eq!(horizon().await, []);
    // A logical slot keeps dead rows of catalogs alone.
    run("select pg_create_logical_replication_slot('lost', 'pgoutput')").await;
    assert_eq!(horizon().await, []);
    let findings = async |check: &str| -> Vec<Finding> {
        store.doctor().await.unwrap().into_iter().filter(|finding| finding.check == check).collect()
    };
    let slots = findings("slots").await;
    assert_eq!((slots.len(), slots[0].severity.as_str()), (1, "info"), "{slots:?}");
    assert!(slots[0].advice.contains("pg_drop_replication_slot('lost')"), "{slots:?}");
    let mut psql = PgConnection::connect(postgres.url()).await.unwrap();
    sqlx::raw_sql("set search_path = tidemill; set tidemill.shed_after = '0 s'")
        .execute(&mut psql)
        .await
        .unwrap();
    leave_dead_rows(&mut psql, 25_000).await;
    let sheds = async |psql: &mut PgConnection| -> bool {
        sqlx::query_scalar("select should_shed()").fetch_one(psql).await.unwrap()
    };
    assert!(!sheds(&mut psql).await, "it keeps no row of a queue");
    run("begin; select pg_current_xact_id(); prepare transaction 'forgotten'").await;
    assert!(sheds(&mut psql).await);
    run("rollback prepared 'forgotten'").await;
    run("select pg_drop_replication_slot('lost')").await;
    assert!(findings("slots").await.is_empty());
    // Connections run out.
    let mut taken = Vec::new();
    let mut severities = Vec::new();
    while severities.last().is_none_or(|severity| severity != "critical") {
        taken.push(PgConnection::connect(postgres.url()).await.unwrap());
        severities.extend(findings("connections").await.into_iter().map(|finding| finding.severity));
        severities.dedup();
    }
    assert_eq!(severities, ["warning", "critical"]);
    store.close().await;
    postgres.stop().await.unwrap();
}
