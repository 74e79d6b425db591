//! Migrate: promise 14 — once or many times, at once from everywhere, killed in the middle — and a
//! schema that this binary does not know is left alone and refused.

use std::time::Duration;

use tidemill::store::Error;
use tidemill::store::db::migrate::{known_version, migrate};
use tidemill::store::jobs::cancel::CancelOutcome;
use tidemill::{Options, Store};

use crate::database::whole_life;
use crate::support::{DEADLINE, Db, job};

/// All that a migration made, as text.
async fn inventory(db: &Db) -> String {
    db.scalar(
        "select string_agg(line, E'\\n' order by line collate \"C\") from (
           select concat_ws(' ', relkind, relname) as line from pg_class where relnamespace = 'tidemill'::regnamespace
           union all
           select concat_ws(' ', 'function', proname, md5(prosrc)) from pg_proc where pronamespace = 'tidemill'::regnamespace
           union all
           select concat_ws(' ', 'constraint', conrelid::regclass, pg_get_constraintdef(oid)) from pg_constraint
           where connamespace = 'tidemill'::regnamespace and conname !~ '_\\d{4}_\\d{2}_\\d{2}'
         ) lines",
    )
    .await
}

#[tokio::test]
async fn o5_twice_changes_nothing() {
    let db = Db::new().await;
    let before = inventory(&db).await;
    let id = db.enqueue(job("k")).await;
    migrate(&db.options()).await.unwrap();
    assert_eq!(inventory(&db).await, before);
    assert_eq!(db.state(id).await, "available");
    db.check_schema().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn o5_from_four_processes_at_once_happens_once() {
    let db = Db::empty().await;
    let mut racers = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let options = db.options();
        racers.spawn(async move { migrate(&options).await });
    }
    for outcome in racers.join_all().await {
        outcome.unwrap();
    }
    assert_eq!(inventory(&db).await, inventory(&Db::new().await).await);
    db.check_schema().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_any_moment_can_be_run_again() {
    let whole = inventory(&Db::new().await).await;
    let mut killed = 0;
    for wait_milliseconds in [10, 40, 80, 140, 220] {
        let db = Db::empty().await;
        let mut surgeon = db.connect().await;
        let options = db.options();
        let running = tokio::spawn(async move { migrate(&options).await });
        tokio::time::sleep(Duration::from_millis(wait_milliseconds)).await;
        sqlx::query(
            "select pg_terminate_backend(pid) from pg_stat_activity
             where datname = current_database() and pid <> pg_backend_pid()",
        )
        .execute(&mut surgeon)
        .await
        .unwrap();
        let outcome = tokio::time::timeout(DEADLINE, running).await.expect("it ends").unwrap();
        killed += i32::from(outcome.is_err());
        migrate(&db.options()).await.unwrap();
        assert_eq!(inventory(&db).await, whole, "killed after {wait_milliseconds} ms");
        db.check_schema().await.unwrap();
    }
    assert!(killed > 0, "none was hit");
}

#[tokio::test]
async fn a_database_without_the_schema_is_refused_with_the_remedy() {
    let db = Db::empty().await;
    let refusal = db.check_schema().await.unwrap_err();
    assert!(matches!(refusal, Error::UnknownSchema { found: 0, .. }), "{refusal}");
    assert!(refusal.to_string().contains("tidemill migrate"), "{refusal}");
}

#[tokio::test]
async fn o5_a_newer_schema_is_left_alone_and_used_only_if_it_allows_it() {
    let db = Db::new().await;
    let newer = known_version() + 1;
    db.execute(format!(
        "insert into refinery_schema_history (version, name, applied_on, checksum) values ({newer}, 'next', '', '0');
         update schema_compatibility set verbs_digest = 'newer';
         create or replace function notify_settings() returns void language sql as $$ select 'newer' $$"
    ))
    .await;
    let before = inventory(&db).await;
    migrate(&db.options()).await.unwrap();
    assert_eq!(inventory(&db).await, before, "a newer schema must not be repaired");
    db.check_schema().await.expect("the newer schema still serves this binary");
    db.execute(format!("update schema_compatibility set oldest_binary = {newer}")).await;
    let refusal = db.check_schema().await.unwrap_err();
    assert!(
        matches!(refusal, Error::UnknownSchema { found, known, .. } if found == newer && known == newer - 1)
    );
}

#[tokio::test]
async fn h3_an_older_binary_leaves_the_functions_of_a_newer_one() {
    let db = Db::new().await;
    let installed: String = db.scalar("select verbs_digest from schema_compatibility").await;
    let version = env!("CARGO_PKG_VERSION");
    assert!(installed.starts_with(&format!("{version} ")), "{installed}");
    // The same tables, other functions: what a binary does that was restarted in the middle of an upgrade.
    let change =
        "create or replace function notify_settings() returns void language sql as $$ select 'changed' $$";
    for (release, stays) in [("999.0.0", true), (version, false), ("0.0.1", false)] {
        db.execute(format!("{change}; update schema_compatibility set verbs_digest = '{release} other'"))
            .await;
        migrate(&db.options()).await.unwrap();
        let changed =
            db.count("pg_proc where proname = 'notify_settings' and prosrc like '%changed%'").await == 1;
        assert_eq!(changed, stays, "{release}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h3_on_a_newer_schema_that_allows_it_everything_works() {
    let db = Db::new().await;
    let newer = known_version() + 1;
    db.execute(format!(
        "insert into refinery_schema_history (version, name, applied_on, checksum) values ({newer}, 'next', '', '0');
         create table things_to_come (id uuid primary key);
         alter table jobs add column to_come text;
         alter table running add column to_come text default 'x';
         alter table events add column to_come text;
         alter table attempts add column to_come text;
         alter table workers add column to_come text"
    ))
    .await;
    whole_life::live(&db, db.options()).await;
}

#[tokio::test]
async fn an_older_schema_is_refused_with_the_remedy() {
    let db = Db::new().await;
    db.execute("update refinery_schema_history set version = version - 1").await;
    let refusal = db.check_schema().await.unwrap_err();
    assert!(matches!(refusal, Error::UnknownSchema { found, known, .. } if found == known - 1), "{refusal}");
    assert!(refusal.to_string().contains("tidemill migrate"), "{refusal}");
}

#[tokio::test]
async fn o5_two_schemas_in_one_database_know_nothing_of_each_other() {
    let db = Db::new().await;
    let tenant = Options { schema: "tenant_a".into(), ..db.options() };
    migrate(&tenant).await.unwrap();
    let tenant = Store::connect(tenant).unwrap();
    tenant.check_schema().await.unwrap();
    let id = tidemill::enqueue_in(tenant.pool(), &tenant, &job("k")).await.unwrap();
    assert!(db.find_job(id).await.unwrap().is_none());
    assert!(tenant.find_job(id).await.unwrap().is_some());
    assert_eq!(tenant.cancel(id, None, "me").await.unwrap(), Some(CancelOutcome::Cancelled));
    assert_eq!(db.count("jobs").await, 0);
}

#[tokio::test]
async fn o5_a_schema_whose_name_needs_quotes_works() {
    let db = Db::empty().await;
    // A word of SQL; names with other letters are refused by the config.
    let odd = Options { schema: "order".into(), ..db.options() };
    migrate(&odd).await.unwrap();
    migrate(&odd).await.unwrap();
    let store = Store::connect(odd).unwrap();
    store.check_schema().await.unwrap();
    let id = tidemill::enqueue_in(store.pool(), &store, &job("k")).await.unwrap();
    assert_eq!(store.explain(id).await.unwrap().unwrap().reasons[0].code, "no_worker");
    assert_eq!(store.cancel(id, None, "me").await.unwrap(), Some(CancelOutcome::Cancelled));
    assert!(store.doctor().await.unwrap().iter().all(|finding| finding.check != "schema"));
    store.close().await;
}

#[tokio::test]
async fn a_schema_that_was_renamed_works_on_itself_again() {
    let db = Db::new().await;
    db.execute("alter schema tidemill rename to tidemill_old").await;
    let old = Options { schema: "tidemill_old".into(), ..db.options() };
    let store = Store::connect(old.clone()).unwrap();
    let refusal = store.check_schema().await.unwrap_err();
    assert!(refusal.to_string().contains("renamed"), "{refusal}");
    // With another one in its place.
    migrate(&db.options()).await.unwrap();
    migrate(&old).await.unwrap();
    store.check_schema().await.unwrap();
    let id = tidemill::enqueue_in(store.pool(), &store, &job("k")).await.unwrap();
    assert!(store.find_job(id).await.unwrap().is_some());
    let in_sql: uuid::Uuid = db.scalar("select tidemill_old.enqueue('k')").await;
    assert!(store.find_job(in_sql).await.unwrap().is_some());
    assert_eq!(db.count("tidemill.jobs").await, 0);
    store.close().await;
}

#[tokio::test]
async fn views_of_somebody_else_survive() {
    let db = Db::new().await;
    db.execute(
        "update schema_compatibility set verbs_digest = null;
         create view public.mine as select kind, count(*) from tidemill.jobs group by kind",
    )
    .await;
    migrate(&db.options()).await.unwrap();
    assert_eq!(db.count("public.mine").await, 0);
}
