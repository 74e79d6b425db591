//! A job without rare options is stored by one statement, any other by the general path; both store the same rows and
//! refuse the same jobs.

use serde_json::{Value, json};
use tidemill::KindSettings;
use tidemill::store::kinds::KindRow;

use crate::support::Db;

/// All of a row that does not name it; both are written in one transaction.
const ROW: &str = "to_jsonb(j) - '{id,execution_id}'::text[]";

/// Jobs that take the path of one statement, as `enqueue_many` takes them.
fn plain_jobs() -> Vec<Value> {
    vec![
        json!({"kind": "k"}),
        json!({"kind": "k", "args": null, "metadata": null, "tags": null, "queue": null, "delay": null}),
        json!({"kind": "k", "args": {"a": [1, null, {"b": 1.50}]}, "metadata": {"m": null}}),
        json!({"kind": "k", "tags": ["a", null, "b"], "queue": "q", "priority": "HIGH", "max_attempts": 3}),
        json!({"kind": "k", "run_at": "2031-02-03T04:05:06.789Z", "delay": "1 hour"}),
        json!({"kind": "k", "delay": "1 month 1 day 00:00:01.5", "retain": "1 year"}),
        json!({"kind": "k", "soft_timeout": "90 s", "hard_timeout": "1 day", "execution_id": "E"}),
        json!({"kind": "with.defaults"}),
        json!({"kind": "with.defaults", "queue": "q", "priority": 9, "max_attempts": 1, "retain": "1 s"}),
    ]
}

async fn database() -> Db {
    let db = Db::new().await;
    let settings = KindSettings {
        queue: "slow".into(),
        priority: 2,
        max_attempts: 7,
        retain: Some(std::time::Duration::from_secs(90)),
        ..KindSettings::default()
    };
    let row = KindRow { name: "with.defaults".into(), source: "rust", settings: Some(settings) };
    db.see_kind(&row).await.unwrap();
    db
}

#[tokio::test]
async fn both_paths_store_the_same_row() {
    let db = database().await;
    for (number, job) in plain_jobs().into_iter().enumerate() {
        let named = |suffix: &str| {
            let mut job = job.clone();
            if job.get("execution_id").is_some() {
                job["execution_id"] = format!("{number}-{suffix}").into();
            }
            json!([job])
        };
        let mut transaction = db.pool().begin().await.unwrap();
        let mut rows = Vec::new();
        for (suffix, verb) in [("plain", "enqueue_many"), ("general", "enqueue_requests")] {
            let statement = format!("select id from {verb}($1) as id");
            let id: uuid::Uuid = sqlx::query_scalar(sqlx::AssertSqlSafe(statement))
                .bind(named(suffix))
                .fetch_one(&mut *transaction)
                .await
                .unwrap();
            assert_eq!(id.get_version_num(), 7);
            let row = format!("select {ROW} from jobs_live j where id = '{id}'");
            let row: Value =
                sqlx::query_scalar(sqlx::AssertSqlSafe(row)).fetch_one(&mut *transaction).await.unwrap();
            let counted: i64 =
                sqlx::query_scalar("select sum(jobs)::bigint from stats_deltas where outcome = 'enqueued'")
                    .fetch_one(&mut *transaction)
                    .await
                    .unwrap();
            let id_kept: i64 = sqlx::query_scalar("select count(*) from task_ids where job_id = $1")
                .bind(id)
                .fetch_one(&mut *transaction)
                .await
                .unwrap();
            rows.push((row, counted - i64::try_from(rows.len()).unwrap(), id_kept));
        }
        transaction.commit().await.unwrap();
        assert_eq!(rows[0], rows[1], "{job}");
    }
}

#[tokio::test]
async fn the_named_options_store_the_same_row_too() {
    let db = database().await;
    for (named, many) in [
        ("'k'", json!({"kind": "k"})),
        ("'k', args => null, tags => '{}'", json!({"kind": "k", "tags": []})),
        (
            "'k', '{\"a\": null}', queue => 'q', priority => 3, delay => '1 month', tags => '{a,null}'",
            json!({"kind": "k", "args": {"a": null}, "queue": "q", "priority": 3, "delay": "1 month", "tags": ["a", null]}),
        ),
        (
            "'with.defaults', metadata => '{\"m\": null}', retain => '1 day', soft_timeout => '1 s'",
            json!({"kind": "with.defaults", "metadata": {"m": null}, "retain": "1 day", "soft_timeout": "1 s"}),
        ),
    ] {
        let mut transaction = db.pool().begin().await.unwrap();
        let mut rows = Vec::new();
        for call in [format!("enqueue({named})"), format!("enqueue_requests('{}')", json!([many]))] {
            let statement = format!("with made as materialized (select {call} as id) select id from made");
            let id: uuid::Uuid = sqlx::query_scalar(sqlx::AssertSqlSafe(statement))
                .fetch_one(&mut *transaction)
                .await
                .unwrap();
            let row = format!("select {ROW} from jobs_live j where id = '{id}'");
            let row: Value =
                sqlx::query_scalar(sqlx::AssertSqlSafe(row)).fetch_one(&mut *transaction).await.unwrap();
            rows.push(row);
        }
        transaction.commit().await.unwrap();
        assert_eq!(rows[0], rows[1], "{named}");
    }
}

#[tokio::test]
async fn both_paths_refuse_the_same_jobs_in_the_same_words() {
    let db = database().await;
    db.drain_queue("closing", "me").await.unwrap();
    db.execute("select set_max_queued('full', 0)").await;
    db.execute("select enqueue('k', execution_id => 'taken')").await;
    for job in [
        json!({"kind": "k", "queue": "closing"}),
        json!({"kind": "k", "queue": "full"}),
        json!({"kind": "k", "execution_id": "taken"}),
        json!({"kind": "tidemill.workflow"}),
        json!({"kind": "not a name"}),
        json!({"kind": null}),
        json!({"args": {}}),
        json!({"kind": "k", "args": [1]}),
        json!({"kind": "k", "args": {"n": "x"}, "queue": "no name"}),
        json!({"kind": "k", "priority": 10}),
        json!({"kind": "k", "priority": "soon"}),
        json!({"kind": "k", "max_attempts": 0}),
        json!({"kind": "k", "hard_timeout": "200 years"}),
        json!({"kind": "k", "tags": 5}),
        json!({"kind": "k", "colour": "red"}),
        json!(5),
    ] {
        let jobs = json!([job]).to_string();
        let plain = db.refusal(format!("select enqueue_many('{jobs}')")).await;
        let general = db.refusal(format!("select enqueue_requests('{jobs}')")).await;
        assert_eq!(plain, general, "{job}");
    }
    assert_eq!(db.count("jobs").await, 1);
    assert_eq!(db.count("task_ids").await, 1);
}

#[tokio::test]
async fn a_job_of_sql_turns_off_what_its_kind_says() {
    let db = database().await;
    let defaults = r#"{"fair_key": "f", "concurrency_keys": ["c"], "expires_in_seconds": 60, "unique": {}}"#;
    db.execute(format!("update kinds set defaults = '{defaults}' where name = 'with.defaults'")).await;
    let stored = async |options: &str| -> Value {
        let enqueue = format!("select enqueue('with.defaults'{options})");
        let id: uuid::Uuid =
            sqlx::query_scalar(sqlx::AssertSqlSafe(enqueue)).fetch_one(db.pool()).await.unwrap();
        let row = "select jsonb_build_array(fair_key, concurrency_keys, expires_at is not null, unique_key is not null)
                   from jobs_live where id = $1";
        sqlx::query_scalar(row).bind(id).fetch_one(db.pool()).await.unwrap()
    };
    assert_eq!(stored("").await, json!(["f", ["c"], true, true]));
    assert_eq!(stored(", turn_off => '{unique,fair_key}'").await, json!([null, ["c"], true, false]));
    let all = ", turn_off => '{unique,concurrency_key,fair_key,expires_in}'";
    assert_eq!(stored(all).await, json!([null, null, false, false]));
    let refused = sqlx::query("select enqueue('k', turn_off => '{priority}')").execute(db.pool()).await;
    assert!(refused.unwrap_err().to_string().contains("turn_off has priority"));
}
