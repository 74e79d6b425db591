//! What the role and the database have set changes nothing: a whole life goes on under three dozen settings that an
//! operator, an ORM or a tool may have left there.

use std::process::Command;

use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tidemill::store::db::migrate::migrate;
use tidemill::{Options, Store};

use crate::database::whole_life;
use crate::support::cluster::done;
use crate::support::{Db, options};

/// On the database.
const DATABASE: [(&str, &str); 20] = [
    ("timezone", "'Europe/Berlin'"),
    ("datestyle", "'German'"),
    ("intervalstyle", "'sql_standard'"),
    ("bytea_output", "'escape'"),
    ("extra_float_digits", "-10"),
    ("search_path", "'nowhere'"),
    ("statement_timeout", "'1min'"),
    ("lock_timeout", "'200ms'"),
    ("idle_in_transaction_session_timeout", "'1s'"),
    ("idle_session_timeout", "'1s'"),
    ("row_security", "off"),
    ("jit_above_cost", "0"),
    ("jit", "on"),
    ("plan_cache_mode", "'force_generic_plan'"),
    ("quote_all_identifiers", "on"),
    ("xmloption", "'document'"),
    ("array_nulls", "off"),
    ("backslash_quote", "'off'"),
    ("escape_string_warning", "off"),
    ("synchronous_commit", "off"),
];
/// On the role.
const ROLE: [(&str, &str); 19] = [
    ("default_transaction_isolation", "'serializable'"),
    ("default_transaction_deferrable", "on"),
    ("standard_conforming_strings", "off"),
    ("transform_null_equals", "on"),
    ("client_min_messages", "'debug1'"),
    ("check_function_bodies", "off"),
    ("enable_indexscan", "off"),
    ("enable_indexonlyscan", "off"),
    ("enable_nestloop", "off"),
    ("enable_sort", "off"),
    ("enable_hashagg", "off"),
    ("enable_partition_pruning", "off"),
    ("constraint_exclusion", "'off'"),
    ("from_collapse_limit", "1"),
    ("join_collapse_limit", "1"),
    ("gin_fuzzy_search_limit", "1"),
    ("session_replication_role", "'replica'"),
    ("exit_on_error", "on"),
    ("temp_tablespaces", "''"),
];

/// A login of its own, with all of it set, on a database that it owns.
async fn login(db: &Db) -> (Options, String) {
    let (name, owner) = (db.name(), format!("set_{}", uuid::Uuid::new_v4().simple()));
    let mut admin = PgConnection::connect(&db.options().url).await.unwrap();
    let mut statements = vec![
        format!("create role {owner} login superuser password 'secret'"),
        format!("alter database {name} owner to {owner}"),
    ];
    statements
        .extend(DATABASE.iter().map(|(key, value)| format!("alter database {name} set {key} = {value}")));
    statements.extend(ROLE.iter().map(|(key, value)| format!("alter role {owner} set {key} = {value}")));
    // What some versions know.
    let bounded = format!("alter database {name} set transaction_timeout = '10s'");
    let _ = sqlx::raw_sql(AssertSqlSafe(bounded)).execute(&mut admin).await;
    for statement in statements {
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut admin).await.unwrap();
    }
    let mut url = url::Url::parse(&db.options().url).unwrap();
    url.set_username(&owner).unwrap();
    url.set_password(Some("secret")).unwrap();
    (options(url.into()), owner)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_whole_life_under_forty_settings_of_others() {
    let db = Db::empty().await;
    let (theirs, owner) = login(&db).await;
    let mut racers = tokio::task::JoinSet::new();
    for _ in 0..3 {
        let options = theirs.clone();
        racers.spawn(async move { migrate(&options).await });
    }
    for outcome in racers.join_all().await {
        outcome.unwrap();
    }
    let store = Store::connect(theirs.clone()).unwrap();
    store.check_schema().await.unwrap();
    whole_life::live(&db, theirs.clone()).await;
    let ours = ["schema", "rights", "replication", "partitions", "schedules", "listeners"];
    let findings = store.doctor().await.unwrap();
    let wrong: Vec<_> = findings.iter().filter(|found| ours.contains(&found.check.as_str())).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    store.close().await;
    by_psql(&theirs);
    // Roles outlive their databases.
    let mut admin = PgConnection::connect(&crate::support::server().url("postgres")).await.unwrap();
    let drop = format!("alter database {} owner to tidemill; drop role {owner}", db.name());
    let _ = sqlx::raw_sql(AssertSqlSafe(drop)).execute(&mut admin).await;
}

/// The verbs from a session that finds all of it set.
fn by_psql(theirs: &Options) {
    let ask = |sql: &str| {
        let mut command = Command::new("psql");
        command.args(["-qXAt", "-v", "ON_ERROR_STOP=1", &theirs.url, "-c", sql]);
        String::from_utf8(done(&mut command).stdout).unwrap().trim().to_owned()
    };
    let id = ask("select tidemill.enqueue('k', '{\"a\": 1.5}', queue => 'tenant', delay => '1 hour')");
    let workflow =
        ask("select tidemill.create_workflow('{\"chain\": [{\"kind\": \"k\"}, {\"kind\": \"k\"}]}')::text");
    assert!(!workflow.is_empty());
    ask("select tidemill.set_schedule('nightly', 'k', cron => '0 3 * * *')");
    ask("select tidemill.set_limit('tenant', 3, rate => 5)");
    assert_eq!(ask("select name, rate, max_running from tidemill.limit_stats"), "tenant|5|3");
    let reasons = ask(&format!("select code, message from tidemill.explain('{id}')"));
    let due = reasons.lines().next().unwrap();
    assert!(due.starts_with("not_due|the job is not due until 20") && due.ends_with('Z'), "{reasons}");
    let wrong = ask(
        "select message from tidemill.doctor() where \"check\" in ('schema', 'rights', 'replication', 'partitions')",
    );
    assert_eq!(wrong, "");
    assert_eq!(ask(&format!("select tidemill.cancel('{id}')")), "cancelled");
}
