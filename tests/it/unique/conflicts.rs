//! What becomes of a job that would be the second: kept, refused, replacing.

use serde_json::{Value, json};
use tidemill::store::jobs::enqueue::InsertOutcome;
use tidemill::{After, NewJob, Unique, enqueue_in};

use super::{args, created, existing, in_status, put, unique_job};
use crate::support::{Db, job, numbered};

fn replacing(fields: Value) -> Value {
    let states = super::all_but(&[]);
    json!({"key": "one", "states": states, "on_conflict": "replace", "replace": fields})
}

#[tokio::test]
async fn b4_replace_fields_on_conflict_per_state() {
    for status in tidemill::job::unique::STATUSES {
        let db = Db::new().await;
        let holder = in_status(&db, status, unique_job(json!({"n": 1}), replacing(json!(["args"])))).await;
        let before = db.job(holder).await;
        let run_at = chrono::DateTime::from_timestamp(4_000_000_000, 0).unwrap();
        let new = NewJob {
            run_at: Some(run_at),
            priority: Some(2),
            max_attempts: Some(9),
            tags: vec!["t".into()],
            metadata: Some(args(json!({"m": null}))),
            ..unique_job(
                json!({"n": 2}),
                replacing(json!(["args", "run_at", "priority", "max_attempts", "tags", "metadata"])),
            )
        };
        let made = put(&db, new.clone()).await;
        assert_eq!(made.id, holder);
        let after = db.job(holder).await;
        let runs_not_yet = ["scheduled", "available", "waiting", "retrying"].contains(status);
        if !runs_not_yet {
            assert_eq!(made.outcome, InsertOutcome::Existing, "{status}");
            assert_eq!(
                (&after.args, after.priority, after.run_at),
                (&before.args, before.priority, before.run_at)
            );
            continue;
        }
        assert_eq!(made.outcome, InsertOutcome::Replaced, "{status}");
        assert_eq!((after.args, after.priority, after.max_attempts), (json!({"n": 2}), 2, 9));
        assert_eq!((after.tags, after.metadata), (vec!["t".to_owned()], Some(json!({"m": null}))));
        // One that waits for others has no time of its own.
        assert_eq!(after.run_at, (*status != "waiting").then_some(run_at), "{status}");
        let event: Value = db
            .scalar(format!("select data from events where job_id = '{holder}' and type = 'replaced'"))
            .await;
        assert_eq!(event["fields"].as_array().unwrap().len(), 6, "{event}");
        assert!(event["by"].is_string());
        // Only what is named.
        let args_alone = NewJob {
            priority: Some(8),
            id: uuid::Uuid::now_v7(),
            ..unique_job(json!({"n": 3}), replacing(json!(["args"])))
        };
        assert_eq!(put(&db, args_alone).await.outcome, InsertOutcome::Replaced);
        let after = db.job(holder).await;
        assert_eq!((after.args, after.priority), (json!({"n": 3}), 2));
        assert_eq!(db.count("jobs").await, 1);
        db.check_invariants().await;
    }
}

#[tokio::test]
async fn b4_replacing_run_at_of_a_job_in_a_group_moves_its_due_time_and_its_turn() {
    let db = Db::new().await;
    let grouped = |n: i64, seconds: i64| NewJob {
        concurrency_keys: vec!["limit:a".into()],
        run_at: Some(chrono::DateTime::from_timestamp(4_000_000_000 + seconds, 0).unwrap()),
        ..unique_job(json!({ "n": n }), replacing(json!(["args", "run_at", "priority"])))
    };
    let id = created(&db, grouped(1, 100)).await;
    let sooner = NewJob { priority: Some(1), ..grouped(2, 50) };
    assert_eq!(put(&db, sooner).await.outcome, InsertOutcome::Replaced);
    let row: Vec<(String, i64, bool)> = db
        .rows(format!("select state::text, extract(epoch from due_at)::bigint, run_at = 'infinity' from jobs where id = '{id}'"))
        .await;
    assert_eq!(row, [("waiting".to_owned(), 4_000_000_050, true)]);
    assert_eq!(
        db.count("ready_groups where priority = 1 and extract(epoch from ready_at) = 4000000050").await,
        1
    );
}

#[tokio::test]
async fn b4_replacing_run_at_of_a_job_that_is_held_does_not_let_it_go() {
    let db = Db::new().await;
    let parent = db.enqueue(job("parent")).await;
    let held = |n: i64| NewJob {
        concurrency_keys: vec!["limit:a".into()],
        after: vec![After::job(parent)],
        ..unique_job(json!({ "n": n }), replacing(json!(["args", "run_at"])))
    };
    let id = created(&db, held(1)).await;
    assert_eq!(put(&db, held(2)).await.outcome, InsertOutcome::Replaced);
    assert_eq!(db.job(id).await.args, json!({"n": 2}));
    assert_eq!(db.count("ready_groups").await, 0, "no turn before its parent ends");
    assert_eq!(db.count("jobs_live where due_at = 'infinity'").await, 1);
    let claimed = db.claim_some("default", "parent", 1).await.remove(0);
    assert!(db.complete_one(&claimed).await);
    db.resolve().await.unwrap();
    assert_eq!(db.count("jobs_live where due_at <= clock_timestamp()").await, 1);
    assert_eq!(db.count("ready_groups").await, 1);
}

#[tokio::test]
async fn b5_running_job_with_same_key_new_one_queued_or_refused() {
    let db = Db::new().await;
    let first = in_status(&db, "running", unique_job(json!({}), json!({}))).await;
    assert_eq!(existing(&db, unique_job(json!({}), json!({}))).await, first);
    let made = put(&db, unique_job(json!({}), json!({"on_conflict": "reject"}))).await;
    assert_eq!((made.outcome, made.id), (InsertOutcome::Conflict, first));
    let queued = unique_job(json!({}), json!({"states": super::QUEUED}));
    let second = created(&db, queued.clone()).await;
    // And there is one such, however often it is asked for.
    assert_eq!(existing(&db, NewJob { id: uuid::Uuid::now_v7(), ..queued }).await, second);
    assert_eq!(db.state(first).await, "running");
    assert_eq!(db.count("jobs_live").await, 2);
}

#[tokio::test]
async fn a4_bulk_conflicts_in_order() {
    let db = Db::new().await;
    let old = created(&db, unique_job(json!({"n": 0}), json!({"args": ["n"]}))).await;
    let of = |n: i64, unique: Value| unique_job(json!({ "n": n, "t": n }), unique);
    let jobs = [
        of(1, json!({"args": ["n"]})),
        of(0, json!({"args": ["n"]})),
        of(1, json!({"args": ["n"]})),
        of(0, json!({"args": ["n"], "on_conflict": "reject"})),
        numbered("k", 0),
        of(2, json!({"args": ["n"]})),
        NewJob {
            priority: Some(1),
            ..of(2, json!({"args": ["n"], "on_conflict": "replace", "replace": ["priority"]}))
        },
    ];
    let made = db.enqueue_all(&jobs).await;
    let outcomes: Vec<_> = made.iter().map(|made| made.outcome).collect();
    use InsertOutcome::{Conflict, Created, Existing, Replaced};
    assert_eq!(outcomes, [Created, Existing, Existing, Conflict, Created, Created, Replaced]);
    let ids: Vec<_> = made.iter().map(|made| made.id).collect();
    assert_eq!(ids, [jobs[0].id, old, jobs[0].id, old, jobs[4].id, jobs[5].id, jobs[5].id]);
    assert_eq!(db.job(jobs[5].id).await.priority, 1);
    assert_eq!(db.count("jobs").await, 4);
}

#[tokio::test]
async fn no_caller_is_answered_with_a_refused_job_of_the_same_call() {
    let db = Db::new().await;
    db.set_max_queued("q", Some(1)).await.unwrap();
    let of = |queue: &str, n: i64, unique: Value| NewJob {
        queue: Some(queue.into()),
        ..unique_job(json!({ "n": n }), unique)
    };
    let replace = json!({"on_conflict": "replace", "replace": ["priority"]});
    let nowhere = NewJob { after: vec![After::job(uuid::Uuid::now_v7())], ..of("default", 2, json!({})) };
    let jobs = [
        of("q", 0, json!({})),
        of("q", 1, json!({})),
        of("q", 1, json!({})),
        of("default", 1, replace),
        of("q", 1, json!({"on_conflict": "reject"})),
        of("q", 0, json!({})),
        nowhere,
        of("default", 2, json!({})),
    ];
    let made = db.enqueue_all(&jobs).await;
    let outcomes: Vec<_> = made.iter().map(|made| made.outcome).collect();
    use InsertOutcome::{Created, Existing, QueueFull, UnknownParent};
    assert_eq!(
        outcomes,
        [Created, QueueFull, QueueFull, QueueFull, QueueFull, Existing, UnknownParent, Created]
    );
    let own: Vec<_> = made.iter().zip(&jobs).map(|(made, job)| made.id == job.id).collect();
    assert_eq!(own, [true, true, true, true, true, false, true, true]);
    assert_eq!(db.count("jobs").await, 2);
    // The key of one that was refused is free.
    db.set_max_queued("q", None).await.unwrap();
    created(&db, NewJob { id: uuid::Uuid::now_v7(), ..jobs[1].clone() }).await;
}

#[tokio::test]
async fn sql_and_rust_in_a_transaction_judge_alike() {
    let db = Db::new().await;
    let new_job = NewJob { unique: Some(Unique::by_key("a")), ..NewJob::new("k", args(json!({}))) };
    let first = enqueue_in(db.pool(), &db.store, &new_job).await.unwrap();
    assert_eq!(enqueue_in(db.pool(), &db.store, &new_job).await.unwrap(), first);
    let by_sql: uuid::Uuid = db.scalar(r#"select enqueue('other', unique_by => '{"key": "a"}')"#).await;
    assert_eq!(by_sql, first);
    let refusal = sqlx::query(r#"select enqueue('k', unique_by => '{"key": "a", "on_conflict": "reject"}')"#)
        .execute(db.pool())
        .await
        .unwrap_err();
    let sqlx::Error::Database(refusal) = refusal else { panic!("{refusal}") };
    assert_eq!(refusal.code().as_deref(), Some("23505"));
    let hint = refusal.downcast_ref::<sqlx::postgres::PgDatabaseError>().hint().unwrap().to_owned();
    assert!(hint.contains(&first.to_string()), "{hint}");
    for bad in [
        "[]",
        r#"{"keys": "a"}"#,
        r#"{"key": ""}"#,
        r#"{"key": "a", "by": ["queue"]}"#,
        r#"{"by": ["colour"]}"#,
        r#"{"by": ["queue"], "args": ["a"]}"#,
        r#"{"args": []}"#,
        r#"{"states": ["available"]}"#,
        r#"{"states": ["scheduled", "available", "waiting", "done"]}"#,
        r#"{"window": 0}"#,
        r#"{"period": "-1 s"}"#,
        r#"{"window": "soon"}"#,
        r#"{"on_conflict": "drop"}"#,
        r#"{"on_conflict": "next_period"}"#,
        r#"{"on_conflict": "replace"}"#,
        r#"{"on_conflict": "replace", "replace": ["kind"]}"#,
        r#"{"replace": ["args"]}"#,
    ] {
        db.refusal(format!("select enqueue('k', unique_by => '{bad}')")).await;
    }
    assert_eq!(db.count("jobs").await, 1);
}
