//! The doctor reports each problem of an installation, and nothing else. What keeps dead rows from being removed:
//! `database/horizon.rs`.

use tidemill::Store;
use tidemill::store::db::migrate::migrate;
use tidemill::store::doctor::Finding;

use crate::database::horizon::leave_dead_rows;
use crate::support::{Db, Session, job, options};

/// The findings of one check.
pub(crate) async fn found(db: &Db, check: &str) -> Vec<Finding> {
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
async fn bloat_and_a_lack_of_listeners_are_reported() {
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
async fn o5_manual_changes_of_the_schema_are_reported() {
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
async fn delays_breakers_endings_and_schedules_are_reported() {
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

#[tokio::test]
async fn the_doctor_reads_the_schema_and_its_rights_once() {
    let db = Db::new().await;
    let mut transaction = db.pool().begin().await.unwrap();
    for statement in ["set local track_functions = 'all'", "select count(*) from doctor()"] {
        sqlx::raw_sql(statement).execute(&mut *transaction).await.unwrap();
    }
    let calls: (i64, i64) = sqlx::query_as(
        "select pg_stat_get_xact_function_calls('schema_shape'::regproc), pg_stat_get_xact_function_calls('rights_now'::regproc)",
    )
    .fetch_one(&mut *transaction)
    .await
    .unwrap();
    assert_eq!(calls, (1, 1));
    transaction.rollback().await.unwrap();
}
