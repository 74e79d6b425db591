//! Doctor: what is wrong is found, what is well is not, and workers write less while dead rows pile up.

use std::sync::Arc;

use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tidemill::embedded::EmbeddedPostgres;
use tidemill::metrics::Metrics;
use tidemill::store::db::migrate::migrate;
use tidemill::store::doctor::Finding;
use tidemill::{Context, Store};

use crate::support::{Db, Mill, Session, job, ok, options, settings, wait_for};

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

/// Whether a session is said to hold the horizon.
async fn holds(db: &Db, session: &Session) -> bool {
    let pid = session.pid;
    db.scalar(format!("select exists (select from horizon_holders() where details ->> 'pid' = '{pid}')"))
        .await
}

/// Leaves so many dead rows in the table of live jobs, and lets the statistics know.
async fn leave_dead_rows(connection: &mut PgConnection, rows: u32) {
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
async fn the_judgement_follows_the_numbers() {
    let db = Db::new().await;
    for (check, number, beside, expected) in [
        ("horizon", 9.0, 1e6, None),
        ("horizon", 11.0, 1e6, Some("info")),
        ("horizon", 61.0, 0.0, Some("warning")),
        ("horizon", 601.0, 100_000.0, Some("warning")),
        ("horizon", 601.0, 100_001.0, Some("critical")),
        // A standby that feeds back is always some transactions behind.
        ("horizon by transactions", 50_000.0, 1e6, None),
        ("horizon by transactions", 50_001.0, 1e6, Some("warning")),
        ("horizon by transactions", 1_000_001.0, 100_001.0, Some("critical")),
        ("bloat", 50_000.0, 0.0, None),
        ("bloat", 50_001.0, 10_000.0, Some("warning")),
        ("bloat", 50_001.0, 10_001.0, None),
        ("connections", 15.0, 0.0, None),
        ("connections", 14.0, 0.0, Some("warning")),
        ("connections", 4.0, 0.0, Some("critical")),
        ("wraparound", 1.2e9, 0.0, None),
        ("wraparound", 1.3e9, 0.0, Some("warning")),
        ("wraparound", 1.9e9, 0.0, Some("critical")),
        ("wal", 1_073_741_824.0, 0.0, None),
        ("wal", 1_073_741_825.0, 0.0, Some("warning")),
    ] {
        let found: Option<String> =
            db.scalar(format!("select severity_of('{check}', {number:?}, {beside:?})")).await;
        assert_eq!(found.as_deref(), expected, "{check} {number} {beside}");
    }
}

#[tokio::test]
async fn bloat_and_a_lack_of_listeners_are_told() {
    let db = Db::new().await;
    assert!(found(&db, "bloat").await.is_empty());
    leave_dead_rows(&mut db.connect().await, 60_000).await;
    let bloat = found(&db, "bloat").await;
    assert!(bloat.len() == 1 && bloat[0].message.starts_with("jobs_live has 60000 dead rows"), "{bloat:?}");
    db.execute(
        "insert into workers (id, name, host, pid, version, lease_ttl) values ('w', 'w', 'h', 1, '1', '1 hour')",
    )
    .await;
    assert_eq!(found(&db, "listeners").await.len(), 1);
    let mut listener = db.connect().await;
    sqlx::raw_sql("listen something").execute(&mut listener).await.unwrap();
    assert_eq!(found(&db, "listeners").await.len(), 1, "somebody else's");
    sqlx::raw_sql("listen tidemill").execute(&mut listener).await.unwrap();
    assert!(found(&db, "listeners").await.is_empty());
}

#[tokio::test]
async fn an_owner_that_may_not_see_others_says_so() {
    let db = Db::empty().await;
    let owner = format!("owner_{}", uuid::Uuid::new_v4().simple());
    let database: String = db.scalar("select current_database()::text").await;
    db.execute(format!(
        "create role {owner} login password 'secret'; grant create on database {database} to {owner}"
    ))
    .await;
    let mut url = url::Url::parse(&db.options().url).unwrap();
    url.set_username(&owner).unwrap();
    url.set_password(Some("secret")).unwrap();
    migrate(&options(url.to_string())).await.unwrap();
    let store = Store::connect(options(url.into())).unwrap();
    let found = async |check: &str| -> Vec<Finding> {
        store.doctor().await.unwrap().into_iter().filter(|finding| finding.check == check).collect()
    };
    let known_since = async || -> bool {
        let since = "select count(since) = 1 from horizon_holders() where what = 'session'";
        sqlx::query_scalar(since).fetch_one(store.pool()).await.unwrap()
    };
    db.execute("insert into tidemill.workers (id, name, host, pid, version, lease_ttl) values ('w', 'w', 'h', 1, '1', '1 hour')")
        .await;
    let mut old = Session::begin(&db).await;
    old.run("insert into queues (name) values ('held')").await.unwrap();
    let rights = found("rights").await;
    assert_eq!((rights.len(), rights[0].severity.as_str()), (1, "warning"), "{rights:?}");
    assert_eq!(rights[0].advice, format!("grant pg_read_all_stats to {owner}"));
    assert!(found("listeners").await.is_empty(), "nobody can know");
    assert!(!known_since().await);
    db.execute(format!("grant pg_read_all_stats to {owner}")).await;
    assert!(found("rights").await.is_empty());
    assert_eq!(found("listeners").await.len(), 1);
    assert!(known_since().await);
    store.close().await;
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
         create or replace function notify_settings() returns void language sql as 'select null'",
    )
    .await;
    let drift: Vec<_> = found(&db, "schema").await.into_iter().map(|finding| finding.message).collect();
    for expected in [
        "missing: index jobs_live_tags",
        "not made by a migration: column limits.mine text",
        "missing: trigger jobs_live.jobs_live_awaited",
        "changed: function notify_settings(",
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
         insert into finished_parents (job_id, at) values (gen_random_uuid(), now() - interval '1 hour');
         insert into kinds (name, source, breaker_after, breaker_open_until) values ('k', 'rust', 1, now() + interval '1 hour')",
    )
    .await;
    for check in ["delay", "endings", "breakers"] {
        assert_eq!(found(&db, check).await.len(), 1, "{check}");
    }
}

#[tokio::test]
async fn dead_rows_behind_an_old_transaction_are_shed_for_and_their_price_is_told() {
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
    run("begin; insert into queues (name) values ('left'); prepare transaction 'forgotten'").await;
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
    run("begin; insert into queues (name) values ('left'); prepare transaction 'forgotten'").await;
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

#[tokio::test]
async fn a_server_that_cannot_load_the_language_of_functions_is_named() {
    let db = Db::new().await;
    db.ping().await.unwrap();
    // As if the library did not fit the server any more; sessions that loaded it go on.
    db.execute("update pg_proc set probin = '$libdir/gone' where proname = 'plpgsql_call_handler'; update pg_proc set probin = '$libdir/gone' where proname = 'plpgsql_inline_handler'").await;
    let store = db.another_store();
    assert!(store.ping().await.is_err(), "it answers, and is not ready");
    let findings = store.doctor().await.unwrap();
    assert!(findings.len() == 1 && findings[0].severity == "critical", "{findings:?}");
    assert!(findings[0].message.contains("cannot run PL/pgSQL functions"), "{findings:?}");
    assert!(findings[0].advice.contains("restart Postgres"), "{findings:?}");
}

#[tokio::test]
async fn many_changes_are_summed_up() {
    let db = Db::new().await;
    let columns = (0..60).map(|n| format!("add column mine_{n} text")).collect::<Vec<_>>().join(", ");
    db.execute(format!("alter table limits {columns}")).await;
    let drift = found(&db, "schema").await;
    assert_eq!(drift.len(), 21);
    assert!(drift.iter().any(|finding| finding.message.starts_with("40 more parts")), "{drift:?}");
}
