//! A search by a value as the filter of an operation: it means the same jobs as the list of jobs, within a window of time,
//! and a step looks at a bounded part of the window.

use serde_json::{Value, json};

use super::{carry_out, report, start};
use crate::api::server::{on_a_server, text};
use crate::support::Db;

/// A filter of jobs of the last day with this value.
fn within_a_day(search: &str) -> String {
    format!("jsonb_build_object('search', '{search}', 'created_after', now() - interval '1 day')")
}

async fn counted(db: &Db, search: &str) -> i32 {
    db.scalar(format!("select matched from preview_operation('cancel', {})", within_a_day(search))).await
}

#[tokio::test]
async fn an_operation_acts_on_the_jobs_that_a_search_finds() {
    let db = Db::new().await;
    db.execute(
        "insert into redacted_keys (key, deployment) values ('password', 'test');
         select enqueue('k', '{\"customer\": {\"id\": 42}, \"note\": \"Late\", \"password\": \"hunter22\"}', delay => '1 hour')
         from generate_series(1, 3);
         select enqueue('k', '{\"customer\": {\"id\": 421}}', delay => '1 hour');
         select enqueue('k', metadata => '{\"customer\": {\"id\": \"42\"}}', delay => '1 hour')",
    )
    .await;
    for (search, jobs) in [
        ("customer.id=42", 4),
        ("customer.id=421", 1),
        ("customer.id", 0),
        ("late", 3),
        ("LATE", 3),
        ("hunter22", 0),
        ("password=hunter22", 0),
        ("it''s", 0),
        ("%s", 0),
    ] {
        assert_eq!(counted(&db, search).await, jobs, "{search}");
    }
    let id = start(&db, &format!("'cancel', {}", within_a_day("customer.id=42"))).await;
    carry_out(&db, id).await;
    assert_eq!(report(&db, id).await, json!({"state": "done", "done": 4, "skipped": {}, "failed": 0}));
    assert_eq!(
        db.count("jobs where finished_at is null and args @> '{\"customer\": {\"id\": 421}}'").await,
        1
    );
    let undo = db.scalar(format!("select undo_operation('{id}')")).await;
    carry_out(&db, undo).await;
    assert_eq!(counted(&db, "customer.id=42").await, 4);
}

#[tokio::test]
async fn a_search_without_an_end_is_refused() {
    let db = Db::new().await;
    for (filter, words) in [
        ("'{\"search\": \"late\"}'".to_owned(), "more than 31 days"),
        ("jsonb_build_object('search', 'late', 'created_after', now() - interval '32 days')".into(), "more than 31 days"),
        (
            "'{\"search\": \"late\", \"created_after\": \"2030-01-01T00:00:00Z\", \"created_before\": \"2030-02-02T00:00:00Z\"}'"
                .into(),
            "more than 31 days",
        ),
        (within_a_day("x"), "shorter than two characters"),
    ] {
        for verb in ["preview_operation", "start_operation"] {
            let refusal = db.refusal(format!("select {verb}('cancel', {filter})")).await;
            assert!(refusal.contains(words), "{filter}: {refusal}");
        }
    }
    // What acts in one statement takes none.
    let refusal = db.refusal(format!("select act_on_jobs('cancel', {})", within_a_day("late"))).await;
    assert!(refusal.contains("too many jobs for one statement"), "{refusal}");
}

#[tokio::test]
async fn a_step_looks_for_few_jobs_among_many_and_goes_on_where_it_stopped() {
    let db = Db::new().await;
    db.execute(
        "insert into jobs (id, kind, queue, state, created_at, run_at, finished_at, args, attempt, last_lease_id, started_at)
         select new_job_id(), 'k', 'default', 'completed', now(), now(), now(), jsonb_build_object('n', n, 'note', repeat('word ', 200)), 1,
           gen_random_uuid(), now()
         from generate_series(1, 60000) n;
         analyze",
    )
    .await;
    let id = start(&db, &format!("'delete', {}", within_a_day("n=60000"))).await;
    let mut empty = 0;
    while let Some(jobs) = db.step_operation(id).await.unwrap() {
        empty += u32::from(jobs == 0);
    }
    assert!(empty > 1, "one step read all jobs");
    assert_eq!(report(&db, id).await["done"], 1);
    assert_eq!(db.count("jobs where args ->> 'n' = '60000'").await, 0);
}

#[tokio::test]
async fn a_search_goes_over_rest() {
    on_a_server(|server| async move {
        for account in [42, 42, 7] {
            server.enqueue(json!({"kind": "a", "delay": "1h", "args": {"account": account}})).await;
        }
        let since = (chrono::Utc::now() - chrono::TimeDelta::hours(1)).to_rfc3339();
        let request = json!({"action": "cancel", "filter": {"search": "account=42", "created_after": since}});
        let preview = server.post("/api/v1/operations/preview", request.clone()).await.expect(200);
        assert_eq!((&preview["matched"], &preview["complete"]), (&json!(2), &json!(true)));
        let operation = server.post("/api/v1/operations", request).await.expect(202);
        assert_eq!(operation["filter"]["search"], "account=42");
        let id = text(&operation["id"]).parse().unwrap();
        while server.store.step_operation(id).await.unwrap().is_some() {}
        let cancelled = server.get("/api/v1/jobs?state=cancelled").await.expect(200)["items"].clone();
        assert_eq!(cancelled.as_array().map(Vec::len), Some(2));
        let endless: Value = json!({"action": "cancel", "filter": {"search": "account=42"}});
        for path in ["/api/v1/operations/preview", "/api/v1/operations", "/api/v1/jobs/cancel"] {
            let body =
                if path.ends_with("cancel") { json!({"filter": endless["filter"]}) } else { endless.clone() };
            server.post(path, body).await.problem(422, "invalid-request");
        }
    })
    .await;
}
