//! Producers: what they may say, how it is rolled back, how many they may be, and whom they wake.

use std::time::Duration;

use serde_json::json;
use sqlx::Connection;
use tidemill::store::jobs::enqueue::{InsertOutcome, enqueue};
use tidemill::{NewJob, Unique, enqueue_in};
use tokio::task::JoinSet;

use crate::support::{Db, job, numbered, wait_for};

#[tokio::test]
async fn a1_minimal_args_get_the_documented_defaults_and_every_explicit_field_round_trips() {
    let db = Db::new().await;
    let minimal = db.enqueue(job("k")).await;
    let columns = "concat_ws(' ', kind, queue, state, priority, attempt, max_attempts, run_at = created_at, args, tags,
        coalesce(soft_timeout::text, '-'), coalesce(hard_timeout::text, '-'), coalesce(metadata::text, '-'),
        coalesce(retain::text, '-'), coalesce(execution_id, '-'), coalesce(concurrency_keys::text, '-'), coalesce(fair_key, '-'),
        coalesce(expires_at::text, '-'), coalesce(unique_key, '-'))";
    let stored: String = db.scalar(format!("select {columns} from jobs where id = '{minimal}'")).await;
    assert_eq!(stored, "k default available 5 0 5 t {} {} - - - - - - - - -");
    let at = chrono::DateTime::from_timestamp(4_000_000_000, 0);
    let full = |execution_id: &str| NewJob {
        queue: Some("q".into()),
        priority: Some(9),
        run_at: at,
        max_attempts: Some(1),
        soft_timeout: Some(Duration::from_secs(1)),
        hard_timeout: Some(Duration::from_secs(2)),
        execution_id: Some(execution_id.into()),
        tags: vec!["t".into()],
        metadata: json!({"m": 1}).as_object().cloned(),
        retain: Some(Duration::from_secs(3)),
        concurrency_keys: vec!["c:1".into()],
        fair_key: Some("f".into()),
        expires_at: at,
        unique: Some(Unique::by_key(execution_id)),
        ..numbered("k", 1)
    };
    let direct = db.enqueue(full("a")).await;
    let through_sql = enqueue_in(db.pool(), &db.store, &full("b")).await.unwrap();
    for (id, name) in [(direct, "a"), (through_sql, "b")] {
        let stored: String = db.scalar(format!("select {columns} from jobs where id = '{id}'")).await;
        let expected = format!(
            r#"k q waiting 9 0 1 f {{"n": 1}} {{t}} 00:00:01 00:00:02 {{"m": 1}} 00:00:03 {name} {{c:1}} f 2096-10-02 07:06:40+00 key:{name}"#
        );
        assert_eq!(stored, expected);
        let due: i64 =
            db.scalar(format!("select extract(epoch from due_at)::bigint from jobs where id = '{id}'")).await;
        assert_eq!(due, 4_000_000_000);
    }
}

#[tokio::test]
async fn a2_rollback_and_nested_savepoint_leave_nothing() {
    let db = Db::new().await;
    let unique =
        |key: &str| NewJob { unique: Some(Unique::by_key(key)), execution_id: Some(key.into()), ..job("k") };
    let mut connection = db.connect().await;
    let mut transaction = connection.begin().await.unwrap();
    let kept = enqueue_in(&mut *transaction, &db.store, &unique("kept")).await.unwrap();
    let mut savepoint = transaction.begin().await.unwrap();
    let gone = enqueue_in(&mut *savepoint, &db.store, &unique("gone")).await.unwrap();
    let mut nested = savepoint.begin().await.unwrap();
    enqueue_in(&mut *nested, &db.store, &unique("nested")).await.unwrap();
    nested.commit().await.unwrap();
    savepoint.rollback().await.unwrap();
    transaction.commit().await.unwrap();
    assert!(db.find_job(gone).await.unwrap().is_none());
    let left: Vec<(uuid::Uuid, String, String)> =
        db.rows("select j.id, t.execution_id, u.key from jobs j, task_ids t, unique_keys u").await;
    assert_eq!(left, [(kept, "kept".to_owned(), "key:kept".to_owned())]);
    let mut transaction = connection.begin().await.unwrap();
    enqueue_in(&mut *transaction, &db.store, &unique("other")).await.unwrap();
    transaction.rollback().await.unwrap();
    assert_eq!(
        (db.count("jobs").await, db.count("task_ids").await, db.count("unique_keys").await),
        (1, 1, 1)
    );
}

#[tokio::test]
async fn a3_bulk_into_mixed_queues_notifies_each_once() {
    let db = Db::new().await;
    let mut listener = sqlx::postgres::PgListener::connect(&db.options().url).await.unwrap();
    listener.listen("tidemill").await.unwrap();
    db.execute("insert into queue_listeners (listener, queue) values ('test', '*')").await;
    db.execute(
        "select count(*) from enqueue_many((
           select jsonb_agg(jsonb_build_object('kind', 'k', 'queue', 'q' || n % 3)) from generate_series(1, 10000) n))",
    )
    .await;
    db.execute("select pg_notify('tidemill', 'end')").await;
    let mut heard = Vec::new();
    loop {
        let message = listener.recv().await.unwrap().payload().to_owned();
        if message == "end" {
            break;
        }
        heard.push(message);
    }
    heard.sort();
    assert_eq!(heard, ["queue:q0", "queue:q1", "queue:q2"]);
    assert_eq!(db.count("jobs").await, 10_000);
}

#[tokio::test]
async fn a5_run_at_zero_past_or_far_future_and_only_due_ones_are_claimed() {
    let db = Db::new().await;
    let at = |seconds: i64| chrono::DateTime::from_timestamp(seconds, 0);
    let jobs = [
        NewJob { run_at: at(0), ..numbered("k", 1) },
        NewJob { run_at: at(1_000_000_000), ..numbered("k", 2) },
        NewJob { delay: Some(Duration::ZERO), ..numbered("k", 3) },
        NewJob { run_at: at(7_000_000_000), ..numbered("k", 4) },
        NewJob { delay: Some(Duration::from_secs(3600)), ..numbered("k", 5) },
    ];
    db.enqueue_all(&jobs).await;
    let claimed = db.claim_some("default", "k", 10).await;
    let order: Vec<_> = claimed.iter().map(|claimed| claimed.args["n"].as_i64().unwrap()).collect();
    assert_eq!(order, [1, 2, 3], "oldest first, and none before its time");
    let due = &db.due(&["default".into()], &["k".into()], false).await.unwrap()[0];
    assert!(
        !due.now && due.next_in_seconds.is_some_and(|seconds| (3_500.0..=3_600.0).contains(&seconds)),
        "{due:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a9_concurrent_producers_from_many_tasks_and_processes_lose_and_double_nothing() {
    let db = Db::new().await;
    let mut producers = JoinSet::new();
    for process in 0..4_i64 {
        let store = db.another_store();
        for task in 0..8_i64 {
            let store = store.clone();
            producers.spawn(async move {
                for n in 0..25_i64 {
                    let number = (process * 8 + task) * 25 + n;
                    let shared =
                        NewJob { unique: Some(Unique::by_key(format!("{n}"))), ..numbered("shared", n) };
                    let jobs = store.prepare_each(&[numbered("k", number), shared]).unwrap();
                    let made = enqueue(store.pool(), &jobs, false).await.unwrap();
                    assert_eq!(made[0].outcome, InsertOutcome::Created);
                }
            });
        }
    }
    producers.join_all().await;
    assert_eq!(db.count("jobs where kind = 'k'").await, 800);
    let different: i64 = db.scalar("select count(distinct args) from jobs where kind = 'k'").await;
    assert_eq!(different, 800);
    assert_eq!(db.count("jobs where kind = 'shared'").await, 25);
    wait_for("all can be claimed", || async {
        db.claim_some("default", "k", 1_000).await;
        (db.count("running").await == 800).then_some(())
    })
    .await;
    db.check_invariants().await;
}
