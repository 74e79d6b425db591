//! Enqueue: promise 1 — what was acknowledged is there, what was rolled back is not — and what the
//! table itself refuses.

use std::time::Duration;

use serde_json::json;
use sqlx::types::Uuid;
use tidemill::store::jobs::enqueue::{InsertOutcome, enqueue};
use tidemill::store::kinds::KindRow;
use tidemill::{KindSettings, NewJob, enqueue_in};

use crate::support::{Db, job, numbered};

#[tokio::test]
async fn fills_what_was_not_said_from_the_kind() {
    let db = Db::new().await;
    let settings = KindSettings {
        queue: "mail".into(),
        priority: 3,
        max_attempts: 9,
        retain: Some(Duration::from_secs(3600)),
        ..KindSettings::default()
    };
    let row = KindRow { name: "send".into(), source: "rust", settings: Some(settings) };
    db.see_kind(&row).await.unwrap();

    let made = db.enqueue_all(&[job("send"), job("unheard-of")]).await;
    assert_eq!((made[0].queue.as_str(), made[0].priority, made[0].max_attempts), ("mail", 3, 9));
    assert_eq!((made[1].queue.as_str(), made[1].priority, made[1].max_attempts), ("default", 5, 5));
    let retain: String =
        db.scalar(format!("select retain::text from jobs where id = '{}'", made[0].id)).await;
    assert_eq!(retain, "01:00:00");
}

#[tokio::test]
async fn keeps_what_was_said() {
    let db = Db::new().await;
    let new_job = NewJob {
        queue: Some("q".into()),
        priority: Some(1),
        delay: Some(Duration::from_secs(3600)),
        max_attempts: Some(2),
        soft_timeout: Some(Duration::from_millis(1500)),
        hard_timeout: Some(Duration::from_secs(2)),
        execution_id: Some("mine".into()),
        tags: vec!["a".into(), "b c".into()],
        metadata: json!({"who": null}).as_object().cloned(),
        ..numbered("k", 7)
    };
    let id = db.enqueue(new_job).await;
    let found = db.job(id).await;
    assert_eq!(found.status, "scheduled");
    assert_eq!(found.args, json!({"n": 7}));
    assert_eq!((found.queue.as_str(), found.priority, found.max_attempts), ("q", 1, 2));
    assert_eq!(found.tags, ["a", "b c"]);
    assert_eq!(found.metadata, Some(json!({"who": null})));
    assert_eq!(found.execution_id.as_deref(), Some("mine"));
    assert_eq!(db.job_id_of("mine").await.unwrap(), Some(id));
    let timeouts: String = db.scalar("select concat_ws(' ', soft_timeout, hard_timeout) from jobs").await;
    assert_eq!(timeouts, "00:00:01.5 00:00:02");
    let ahead = found.run_at.unwrap() - found.created_at;
    assert_eq!(ahead.num_seconds(), 3600);
}

#[tokio::test]
async fn in_the_callers_transaction_commits_or_vanishes_with_it() {
    let db = Db::new().await;
    db.execute("create table orders (n integer primary key)").await;
    for n in 0..20 {
        let mut transaction = db.pool().begin().await.unwrap();
        sqlx::query("insert into orders values ($1)").bind(n).execute(&mut *transaction).await.unwrap();
        let id = if n % 4 < 2 {
            enqueue_in(&mut *transaction, &db.store, &numbered("k", n.into())).await.unwrap()
        } else {
            let jobs = db.prepare_each(&[numbered("k", n.into())]).unwrap();
            let made = enqueue(&mut *transaction, &jobs, false).await.unwrap();
            made[0].id
        };
        assert!(db.find_job(id).await.unwrap().is_none(), "seen before the commit");
        if n % 2 == 0 {
            transaction.commit().await.unwrap();
        } else {
            transaction.rollback().await.unwrap();
        }
    }
    let mismatched = db
        .count(
            "orders o full join jobs j on (j.args ->> 'n')::integer = o.n where o.n is null or j.id is null",
        )
        .await;
    assert_eq!(mismatched, 0);
    assert_eq!(db.count("jobs").await, 10);
}

#[tokio::test]
async fn through_enqueue_in_keeps_everything_that_was_said() {
    let db = Db::new().await;
    let new_job = NewJob {
        queue: Some("q".into()),
        priority: Some(2),
        delay: Some(Duration::from_millis(90_500)),
        max_attempts: Some(3),
        soft_timeout: Some(Duration::from_secs(4)),
        hard_timeout: Some(Duration::from_secs(5)),
        execution_id: Some("x".into()),
        tags: vec!["t".into()],
        metadata: json!({"m": 1}).as_object().cloned(),
        retain: Some(Duration::from_secs(6)),
        ..numbered("k", 1)
    };
    let id = enqueue_in(db.pool(), &db.store, &new_job).await.unwrap();
    assert_eq!(id, new_job.id);
    let kept: String = db
        .scalar(format!(
            "select concat_ws(' ', kind, queue, priority, run_at - created_at, max_attempts, soft_timeout, hard_timeout,
               execution_id, tags, metadata, retain, args)
             from jobs where id = '{id}'"
        ))
        .await;
    assert_eq!(kept, r#"k q 2 00:01:30.5 3 00:00:04 00:00:05 x {t} {"m": 1} 00:00:06 {"n": 1}"#);
}

#[tokio::test]
async fn from_sql_takes_named_options_and_answers_a_uuid_of_version_seven() {
    let db = Db::new().await;
    // From a session that never heard of the schema.
    let mut psql = db.connect().await;
    sqlx::query("set search_path to public").execute(&mut psql).await.unwrap();
    let id: Uuid = sqlx::query_scalar(
            "select tidemill.enqueue('k', '{\"a\": null}', priority => 1, delay => '1 hour', tags => array['x'],
               execution_id => 'e', metadata => '{\"b\": null}', retain => '1 day', soft_timeout => '1 s', hard_timeout => '2 s')",
        )
        .fetch_one(&mut psql)
        .await
        .unwrap();
    assert_eq!(id.get_version_num(), 7);
    let age = chrono::Utc::now().timestamp_millis()
        - i64::try_from(id.get_timestamp().unwrap().to_unix().0).unwrap() * 1000;
    assert!(age.abs() < 60_000, "{age} ms");
    let found = db.job(id).await;
    assert_eq!(found.args, json!({"a": null}));
    assert_eq!(found.metadata, Some(json!({"b": null})));
    assert_eq!((found.priority, found.status.as_str()), (1, "scheduled"));
}

#[tokio::test]
async fn many_from_sql_are_stored_in_order_all_or_none() {
    let db = Db::new().await;
    let ids: Vec<(Uuid,)> = db
        .rows("select * from enqueue_many('[{\"kind\": \"a\"}, {\"kind\": \"b\"}, {\"kind\": \"c\"}]')")
        .await;
    for ((id,), kind) in ids.iter().zip(["a", "b", "c"]) {
        assert_eq!(db.job(*id).await.kind, kind);
    }
    for bad in [
        r#"[{"kind": "k"}, {"kind": "k", "priority": 10}]"#,
        r#"[{"kind": "k", "execution_id": "same"}, {"kind": "k", "execution_id": "same"}]"#,
        r#"[{"kind": "k"}, {"kind": null}]"#,
        r#"[{"kind": "k"}, {}]"#,
        r#"[{"kind": "k"}, {"kind": "k", "args": [1]}]"#,
        r#"[{"kind": "k"}, 5]"#,
        r#"{"kind": "k"}"#,
        "null",
    ] {
        db.refusal(format!("select enqueue_many('{bad}')")).await;
    }
    db.refusal("select enqueue_many(null)").await;
    assert_eq!(db.count("jobs").await, 3);
    assert_eq!(db.count("task_ids").await, 0);
    let none: Vec<(Uuid,)> = db.rows("select * from enqueue_many('[]')").await;
    assert!(none.is_empty());
}

#[tokio::test]
async fn an_execution_id_stands_for_one_job_however_many_race_for_it() {
    let db = Db::new().await;
    let mut racers = tokio::task::JoinSet::new();
    for _ in 0..24 {
        let store = db.store.clone();
        racers.spawn(async move {
            let new_job = NewJob { execution_id: Some("one".into()), ..job("k") };
            enqueue(store.pool(), &store.prepare_each(&[new_job]).unwrap(), false).await.unwrap().remove(0)
        });
    }
    let made = racers.join_all().await;
    let winners: Vec<_> = made.iter().filter(|made| made.outcome == InsertOutcome::Created).collect();
    assert_eq!(winners.len(), 1);
    assert!(made.iter().all(
        |made| made.outcome == InsertOutcome::Created || made.outcome == InsertOutcome::ExecutionIdTaken
    ));
    assert_eq!(db.job_id_of("one").await.unwrap(), Some(winners[0].id));
    assert_eq!(db.count("jobs").await, 1);

    let twice = NewJob { execution_id: Some("two".into()), ..job("k") };
    let made = db.enqueue_all(&[twice.clone(), NewJob { id: Uuid::now_v7(), ..twice }, job("k")]).await;
    assert_eq!(made.iter().filter(|made| made.outcome == InsertOutcome::Created).count(), 2, "{made:?}");
}

#[tokio::test]
async fn a_draining_queue_takes_nothing_and_the_rest_of_the_batch_is_stored() {
    let db = Db::new().await;
    db.drain_queue("closing", "me").await.unwrap();
    let into =
        |queue: &str| NewJob { queue: Some(queue.into()), execution_id: Some(queue.into()), ..job("k") };
    let made = db.enqueue_all(&[into("closing"), into("open")]).await;
    assert_eq!(
        [&made[0].outcome, &made[1].outcome],
        [&InsertOutcome::QueueDraining, &InsertOutcome::Created]
    );
    assert_eq!(db.job_id_of("closing").await.unwrap(), None, "a refused job leaves no name behind");
    let refusal = db.refusal("select enqueue('k', queue => 'closing')").await;
    assert!(refusal.contains("queue_draining"), "{refusal}");
    db.resume_queue("closing").await.unwrap();
    assert_eq!(db.enqueue_all(&[into("closing")]).await[0].outcome, InsertOutcome::Created);
}

#[tokio::test]
async fn strict_kinds_refuses_what_nothing_serves() {
    let db = Db::new().await;
    db.see_kind(&KindRow { name: "known".into(), source: "remote", settings: None }).await.unwrap();
    let jobs = db.prepare_each(&[job("known"), job("unknown")]).unwrap();
    let made = enqueue(db.pool(), &jobs, true).await.unwrap();
    assert_eq!([&made[0].outcome, &made[1].outcome], [&InsertOutcome::Created, &InsertOutcome::UnknownKind]);
}

#[tokio::test]
async fn impossible_rows_cannot_be_written_even_from_psql() {
    let db = Db::new().await;
    let insert = |columns: &str, values: &str| {
        format!("insert into jobs (id, kind, {columns}) values (gen_random_uuid(), 'k', {values})")
    };
    for (columns, values, constraint) in [
        ("priority", "0", "jobs_priority_is_1_to_9"),
        ("priority", "10", "jobs_priority_is_1_to_9"),
        ("attempt", "-1", "jobs_attempts_count_up"),
        ("max_attempts", "0", "jobs_attempts_count_up"),
        ("args", "'[]'", "jobs_args_is_an_object"),
        ("queue", "''", "jobs_queue_is_named"),
        ("state", "'completed'", "jobs_finished_at_marks_the_end"),
        ("state", "'running'", "jobs_lease_while_running"),
        ("state", "'waiting'", "jobs_waiting_is_never_due"),
        ("lease_id", "gen_random_uuid()", "jobs_lease_while_running"),
        ("worker_id", "'w'", "jobs_worker_while_running"),
        ("result", "'1'", "jobs_result_means_completed"),
        ("run_at", "'infinity'", "jobs_run_at_is_in_reach"),
        ("run_at", "'-infinity'", "jobs_run_at_is_in_reach"),
        ("run_at", "'1969-12-31 00:00+00'", "jobs_run_at_is_in_reach"),
        ("run_at", "'20000-01-01'", "jobs_run_at_is_in_reach"),
        ("hard_timeout", "'200000 years'", "jobs_hard_timeout_is_in_reach"),
        ("soft_timeout", "'-1 s'", "jobs_soft_timeout_is_in_reach"),
        ("retain", "'200000 years'", "jobs_retain_is_in_reach"),
        ("finished_at", "now()", "jobs_finished_at_marks_the_end"),
        (
            "state, lease_id, worker_id, attempt",
            "'running', gen_random_uuid(), 'w', 0",
            "jobs_running_has_started",
        ),
        ("state, result, finished_at", "'failed', '1', now()", "jobs_result_means_completed"),
        ("state, finished_at, lease_id", "'failed', now(), gen_random_uuid()", "jobs_lease_while_running"),
    ] {
        let refusal = db.refusal(insert(columns, values)).await;
        assert!(refusal.contains(constraint), "{columns} = {values}: {refusal}");
    }
    let id = db.enqueue(job("k")).await;
    for change in ["state = 'running'", "state = 'completed'", "finished_at = now()", "run_at = null"] {
        db.refusal(format!("update jobs set {change} where id = '{id}'")).await;
    }
    assert_eq!(db.count("jobs").await, 1);
}
