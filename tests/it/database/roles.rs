//! Roles: each may do what it needs, and nothing else.

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use tidemill::{AlertRule, Condition, NewJob, Options, Store};

use crate::database::partitions::{MONTH_SECONDS, old_day};
use crate::support::{Db, Mill, Session, job, ok, wait_for};

/// A connection of a login that is a member of the role.
pub(crate) async fn member(db: &Db, role: &str) -> (PgConnection, String) {
    let login = format!("{role}_of_{}", uuid::Uuid::new_v4().simple());
    db.execute(format!("create role {login} login password 'secret'; grant {role} to {login}")).await;
    connect(db, &login).await
}

async fn connect(db: &Db, login: &str) -> (PgConnection, String) {
    let mut url = url::Url::parse(&db.options().url).unwrap();
    url.set_username(login).unwrap();
    url.set_password(Some("secret")).unwrap();
    let mut connection = PgConnection::connect(url.as_str()).await.unwrap();
    connection.execute("set search_path = tidemill").await.unwrap();
    (connection, url.into())
}

/// What a statement is refused with; nothing if it is carried out.
async fn refused(connection: &mut PgConnection, sql: &str) -> Option<String> {
    let mut transaction = connection.begin().await.unwrap();
    let outcome = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut *transaction).await;
    transaction.rollback().await.unwrap();
    outcome.err().map(|error| error.to_string())
}

async fn may(connection: &mut PgConnection, sql: &str) {
    assert_eq!(refused(connection, sql).await, None, "{sql}");
}

async fn may_not(connection: &mut PgConnection, sql: &str) {
    let refusal = refused(connection, sql).await;
    let known = ["permission denied", "read-only transaction", "must be owner"];
    assert!(
        refusal.as_ref().is_some_and(|text| known.iter().any(|words| text.contains(words))),
        "{sql}: {refusal:?}"
    );
}

const QUERIES: [&str; 30] = [
    "select * from jobs_now",
    "select * from job_history",
    "select * from queue_stats",
    "select * from limit_stats",
    "select * from kind_stats",
    "select * from throughput",
    "select * from failures",
    "select * from stuck_jobs",
    "select * from worker_status",
    "select * from progress_now",
    "select * from all_jobs",
    "select * from job_names",
    "select * from job_events",
    "select * from job_attempts",
    "select * from job_steps",
    "select * from job_signals",
    "select * from job_links",
    "select * from job_artifacts",
    "select * from unique_holders",
    "select * from waiting_groups",
    "select * from schedule_log",
    "select * from schedule_next",
    "select * from alert_log",
    "select * from alert_rule_status",
    "select * from audit_trail",
    "select * from operation_status",
    "select * from operation_log",
    "select * from queue_keys('default')",
    "select * from doctor()",
    "select health_report()",
];

#[tokio::test]
async fn readers_look_at_views_and_at_nothing_else() {
    let db = Db::new().await;
    db.execute("select set_limit('queue:default', 1, rate => 5)").await;
    let id = db.enqueue(job("k")).await;
    let (mut reader, _) = member(&db, "tidemill_reader").await;
    for query in QUERIES {
        may(&mut reader, query).await;
    }
    may(&mut reader, &format!("select * from explain('{id}')")).await;
    for act in [
        "select enqueue('k')",
        "select * from jobs",
        "select * from api_keys",
        "insert into limits values ('x', 1)",
    ] {
        may_not(&mut reader, act).await;
    }
    may_not(&mut reader, &format!("select cancel('{id}')")).await;
}

#[tokio::test]
async fn readers_see_of_a_webhook_only_its_host() {
    let db = Db::new().await;
    for webhook in [
        "https://ann:token@example.org/token?key=token",
        "https://example.org\\token",
        "https://example.org?token=@token",
        "https://example.org",
        "http://token@token@example.org:80#token",
    ] {
        let hooked = AlertRule { webhook: Some(webhook.into()), ..AlertRule::new(Condition::NoWorker, 0.0) };
        db.set_alert("nobody", &hooked, None).await.unwrap();
        db.evaluate_alerts(None).await.unwrap();
    }
    let (mut reader, _) = member(&db, "tidemill_reader").await;
    let mut shown = Vec::new();
    for column in [
        "webhook from alert_rule_status",
        "after ->> 'webhook' from audit_trail",
        "before ->> 'webhook' from audit_trail",
    ] {
        let sql = AssertSqlSafe(format!("select {column}"));
        let found: Vec<Option<String>> = sqlx::query_scalar(sql).fetch_all(&mut reader).await.unwrap();
        shown.extend(found.into_iter().flatten());
    }
    assert_eq!(shown.len(), 1 + 5 + 4);
    for address in &shown {
        assert!(
            address.contains("://example.org") && address.ends_with("/…") && !address.contains("token"),
            "{address}"
        );
    }
    may_not(&mut reader, "select * from alert_rules").await;
    may_not(&mut reader, "select * from alert_notices").await;
}

#[tokio::test]
async fn a_login_made_a_reader_has_limits_and_a_bare_member_has_none() {
    let db = Db::new().await;
    let login = format!("looks_{}", uuid::Uuid::new_v4().simple());
    db.execute(format!("create role {login} login password 'secret'; select make_reader('{login}')")).await;
    let (mut bare, _) = member(&db, "tidemill_reader").await;
    let mut reader = connect(&db, &login).await.0;
    let mut owner = db.connect().await;
    for (setting, limited) in [
        ("statement_timeout", "30s"),
        ("idle_in_transaction_session_timeout", "1min"),
        ("default_transaction_read_only", "on"),
        ("jit", "off"),
    ] {
        assert_eq!(shows(&mut reader, setting).await, limited, "{setting}");
        assert_eq!(shows(&mut bare, setting).await, shows(&mut owner, setting).await, "{setting}");
    }
    may(&mut reader, "select * from jobs_now").await;
    may_not(&mut reader, "create temporary table mine ()").await;
    // Who may not alter the login cannot make it one.
    let (mut admin, _) = member(&db, "tidemill_admin").await;
    may_not(&mut admin, &format!("select make_reader('{login}')")).await;
    db.execute(format!("drop role {login}")).await;
}

async fn shows(connection: &mut PgConnection, setting: &str) -> String {
    sqlx::query_scalar(AssertSqlSafe(format!("show {setting}"))).fetch_one(connection).await.unwrap()
}

#[tokio::test]
async fn admins_act_through_functions_and_write_no_table() {
    let db = Db::new().await;
    let id = db.enqueue(job("k")).await;
    let (mut admin, _) = member(&db, "tidemill_admin").await;
    for query in QUERIES {
        may(&mut admin, query).await;
    }
    for act in [
        "select enqueue('k')".to_owned(),
        format!("select enqueue('k', after => array['{id}'::uuid])"),
        "select create_workflow('{\"group\": [{\"kind\": \"k\"}]}')".into(),
        format!("select cancel('{id}')"),
        format!("select snooze('{id}', '1 hour')"),
        format!("select change_job('{id}', '{{\"priority\": 1}}')"),
        "select drain_worker('nobody')".into(),
        format!("select signal('{id}', 'go')"),
        format!("select fork('{id}')"),
        format!("select delete_job('{id}')"),
        "select retry_jobs('{\"all\": true}')".into(),
        "select pause_queue('default')".into(),
        "select purge_queue('default')".into(),
        "select set_limit('tenant', 3)".into(),
        "select set_slots('default', 3)".into(),
        "select set_schedule('nightly', 'k', cron => '0 3 * * *')".into(),
        "select reset_breaker('k')".into(),
        "select sweep()".into(),
    ] {
        may(&mut admin, &act).await;
    }
    for act in [
        "delete from jobs_live",
        "update queues set paused_at = null",
        "delete from audit_log",
        "select * from api_keys",
        "select settle_attempt(null, null, 'failed')",
    ] {
        may_not(&mut admin, act).await;
    }
}

#[tokio::test]
async fn a_worker_runs_jobs_as_a_member_of_its_role_and_sees_no_keys() {
    let db = Db::new().await;
    let (mut worker, url) = member(&db, "tidemill_worker").await;
    may_not(&mut worker, "select * from api_keys").await;
    may_not(&mut worker, "delete from ended_sessions").await;
    may_not(&mut worker, "delete from audit_log").await;
    may_not(
        &mut worker,
        "insert into audit_log (who, db_user, action, subject) values ('x', 'x', 'cancel', 'job:x')",
    )
    .await;
    may(&mut worker, "select audit('cancel', 'job:x', null, null, 'x')").await;
    may_not(&mut worker, "create table mine ()").await;
    may_not(&mut worker, "drop table jobs").await;
    let store = Store::connect(Options { max_connections: 4, ..Options::new(url) }).unwrap();
    let mill = Mill::builder(&store)
        .handler("k", |context: tidemill::Context| async move {
            context.progress(50.0, "half").await;
            context.step("one", || async { Ok(1) }).await?;
            let child = context.spawn("child", &job("k2")).await?;
            if context.attempt().attempt == 2 {
                context.wait_for(&[child]).await?;
            }
            if context.attempt().attempt == 1 {
                return Err(tidemill::JobError::retry("once more"));
            }
            ok(None)
        })
        .start();
    let id = db.enqueue(job("k")).await;
    wait_for("it waits", || async { (db.count("blocked_jobs").await == 1).then_some(()) }).await;
    store.cancel(id, None, "me").await.unwrap();
    assert_eq!(db.count("jobs where state = 'cancelled'").await, 2, "with its child");
    store.sweep().await.unwrap();
    store.resolve().await.unwrap();
    store.ensure_partitions().await.unwrap();
    mill.stop().await;
}

#[tokio::test]
async fn a_worker_of_its_role_keeps_house_and_drops_no_day_that_is_kept() {
    let db = Db::new().await;
    let (mut worker, url) = member(&db, "tidemill_worker").await;
    let store = Store::connect(Options { max_connections: 2, ..Options::new(url) }).unwrap();
    let gone = old_day(&db, 1).await;
    assert_eq!(store.drop_partitions(MONTH_SECONDS).await.unwrap(), ["events_2020_01_01", "jobs_2020_01_01"]);
    assert!(db.find_job(gone).await.unwrap().is_none());
    let short = NewJob { retain: Some(std::time::Duration::from_secs(60)), ..job("k") };
    let done = db.enqueue(short).await;
    db.cancel(done, None, "me").await.unwrap();
    db.execute(
        "update jobs set retain_until = now() - interval '1 s' where finished_at is not null;
         insert into audit_log (at, who, action, subject) values (now() - interval '2 years', 'me', 'x', 'y')",
    )
    .await;
    assert_eq!(store.prune().await.unwrap(), 1);
    assert_eq!(db.count("audit_log where action = 'x'").await, 0);
    for retention in ["'59 minutes'", "'-10 days'", "null"] {
        let refusal = refused(&mut worker, &format!("select drop_day({retention})")).await;
        assert!(refusal.is_some_and(|text| text.contains("less than an hour ago")), "{retention}");
    }
    may_not(&mut worker, "select drop_oldest_day('-10 days')").await;
    // It carries out what an admin started, and starts nothing past the record.
    let kept = db.enqueue(job("k")).await;
    let operation: uuid::Uuid = db.scalar("select start_operation('cancel', '{\"kind\": \"k\"}')").await;
    may_not(&mut worker, "insert into operations (id, action, filter, who) values (gen_random_uuid(), 'cancel', '{\"all\": true}', 'x')").await;
    may_not(&mut worker, &format!("select operate_on_one(o, '{kept}') from operations o")).await;
    assert_eq!(store.step_operation(operation).await.unwrap(), Some(1));
    assert_eq!(db.find_job(kept).await.unwrap().unwrap().state.word(), "cancelled");
}

#[tokio::test]
async fn a_worker_of_its_role_sees_which_sessions_keep_dead_rows() {
    let db = Db::new().await;
    let mut old = Session::begin(&db).await;
    old.run("insert into queues (name) values ('held')").await.unwrap();
    db.execute(
        "create or replace function dead_rows() returns bigint language sql set search_path from current as 'select 30000'",
    )
    .await;
    let (mut worker, _) = member(&db, "tidemill_worker").await;
    worker.execute("set tidemill.shed_after = '0 s'").await.unwrap();
    let sheds = "select should_shed()";
    assert!(sqlx::query_scalar::<_, bool>(sheds).fetch_one(&mut worker).await.unwrap());
    old.run("rollback").await.unwrap();
    assert!(!sqlx::query_scalar::<_, bool>(sheds).fetch_one(&mut worker).await.unwrap());
}

#[tokio::test]
async fn nobody_slips_a_temporary_object_under_a_verb() {
    let db = Db::new().await;
    let mut reader = db.connect().await;
    for statement in [
        "set role tidemill_reader",
        "set default_transaction_read_only = off",
        "create function pg_temp.evil() returns text language plpgsql as 'begin raise exception ''shadowed''; end'",
        "create temp view workers as select pg_temp.evil() as id",
        "create temp view queues as select pg_temp.evil() as name",
        "create temp view jobs_live as select pg_temp.evil() as id",
        "select * from tidemill.doctor()",
        "select * from tidemill.explain(gen_random_uuid())",
    ] {
        let done = sqlx::raw_sql(statement).execute(&mut reader).await;
        done.unwrap_or_else(|error| panic!("{statement}: {error}"));
    }
}

#[tokio::test]
async fn a_member_that_does_not_inherit_gets_an_error_with_a_remedy() {
    let db = Db::new().await;
    let login = format!("keeps_{}", uuid::Uuid::new_v4().simple());
    db.execute(format!(
        "create role {login} login noinherit password 'secret'; grant tidemill_worker to {login}"
    ))
    .await;
    let (_, url) = connect(&db, &login).await;
    let store = || Store::connect(Options { max_connections: 4, ..Options::new(url.clone()) }).unwrap();
    let refusal = store().check_schema().await.unwrap_err().to_string();
    assert!(refusal.contains("a member of tidemill_worker but does not inherit its rights"), "{refusal}");
    let (_, act) = refusal.rsplit_once(": ").unwrap();
    db.execute(act).await;
    store().check_schema().await.unwrap();
    // Here a table refuses, and not the schema.
    db.execute(format!("revoke tidemill_worker from {login}; grant usage on schema tidemill to {login}"))
        .await;
    let refusal = store().check_schema().await.unwrap_err().to_string();
    assert!(refusal.contains(&login) && refusal.contains("grant tidemill_worker to LOGIN"), "{refusal}");
}
