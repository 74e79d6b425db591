//! Redrive and other bulk acts: what a dry run counts is what is done, in chunks, past what refuses.

use serde_json::{Value, json};

use crate::api::server::{Server, on_a_server};
use crate::support::{Db, job};

/// Finished jobs of every sort: 7 of a kind, by state, queue and error.
async fn fill(server: &Server) {
    server
        .sql(
            "insert into jobs (id, kind, queue, state, attempt, finished_at, error, tags)
             select new_job_id(), case when n % 2 = 0 then 'mail' else 'crawl' end, case when n % 5 = 0 then 'slow' else 'default' end,
               case when n % 3 = 0 then 'failed' when n % 3 = 1 then 'cancelled' else 'completed' end::job_state, 5,
               clock_timestamp(), jsonb_build_object('type', 'x', 'message', case when n % 7 = 0 then 'connection refused' else 'other' end),
               case when n % 11 = 0 then array['red'] else '{}' end
             from generate_series(1, 5000) n",
        )
        .await;
}

async fn act(server: &Server, verb: &str, body: Value) -> Value {
    server.post(&format!("/api/v1/jobs/{verb}"), body).await.expect(200)
}

#[tokio::test]
async fn o4_a_redrive_does_what_its_dry_run_counted_and_may_move_jobs() {
    on_a_server(|server| async move {
        fill(&server).await;
        let cases = [
            json!({"kind": "mail", "state": "failed", "error": "REFUSED"}),
            json!({"queue": "slow", "tag": "red"}),
            json!({"state": "cancelled", "finished_after": "2026-01-01T00:00:00Z"}),
        ];
        for filter in cases {
            let dry = json!({"filter": filter, "limit": 100_000, "dry_run": true});
            let counted = act(&server, "retry", dry.clone()).await;
            assert!(counted["matched"].as_i64().unwrap() > 0 && counted["done"] == 0, "{counted}");
            let done = act(&server, "retry", json!({"filter": filter, "limit": 100_000})).await;
            assert_eq!(
                (&done["matched"], &done["done"], &done["refused"]),
                (&counted["matched"], &counted["matched"], &json!(0))
            );
            assert_eq!(done["sample"], counted["sample"]);
            assert_eq!(act(&server, "retry", dry).await["matched"], 0, "nothing is left");
        }
        let moved = act(
            &server,
            "retry",
            json!({"filter": {"state": "failed", "kind": "crawl"}, "limit": 3, "queue": "again"}),
        )
        .await;
        assert_eq!(moved["done"], 3, "no more than the limit");
        // On a busy machine the search of one page ends before it has come to the oldest jobs.
        let mut again = server.get("/api/v1/jobs?queue=again").await.expect(200);
        while again["items"] == json!([]) && !again["next_cursor"].is_null() {
            let next = format!("/api/v1/jobs?queue=again&cursor={}", again["next_cursor"].as_str().unwrap());
            again = server.get(&next).await.expect(200);
        }
        assert_eq!(again["items"].as_array().unwrap().len(), 3);
        assert_eq!(again["items"][0]["attempt"], 5);
        assert_eq!(again["items"][0]["max_attempts"], 6, "one more attempt");
    })
    .await;
}

#[tokio::test]
async fn o4_one_that_cannot_be_redriven_is_counted_and_stops_no_other() {
    on_a_server(|server| async move {
        fill(&server).await;
        server
            .sql("create function refuse() returns trigger language plpgsql as $$ begin raise 'conflict'; end $$")
            .await;
        server
            .sql("create trigger refuse before insert on jobs_live for each row when (new.queue = 'default') execute function refuse()")
            .await;
        let filter = json!({"kind": "mail", "state": "failed"});
        let counted = act(&server, "retry", json!({"filter": filter, "limit": 1_000, "dry_run": true})).await;
        let done = act(&server, "retry", json!({"filter": filter, "limit": 1_000})).await;
        let refused = done["refused"].as_i64().unwrap();
        assert_eq!(done["matched"], counted["matched"]);
        assert!(refused > 500 && done["done"].as_i64().unwrap() == done["matched"].as_i64().unwrap() - refused, "{done}");
        // What was refused is as it was, and the only thing left.
        let left = act(&server, "retry", json!({"filter": filter, "limit": 1_000, "dry_run": true})).await;
        assert_eq!(left["matched"], refused);
        server.sql("drop trigger refuse on jobs_live").await;
        assert_eq!(act(&server, "retry", json!({"filter": filter, "limit": 1_000})).await["done"], refused);
    })
    .await;
}

#[tokio::test]
async fn o2_a_bulk_delete_leaves_what_runs_and_asks_for_the_word_all() {
    on_a_server(|server| async move {
        for _ in 0..3 {
            server.enqueue(json!({"kind": "a"})).await;
        }
        let running = server.claim("w", "a", 1).await.remove(0);
        server.post("/api/v1/jobs/delete", json!({})).await.problem(422, "invalid-request");
        server
            .post("/api/v1/jobs/delete", json!({"all": true, "filter": {"kind": "a"}}))
            .await
            .problem(422, "invalid-request");
        let preview = act(&server, "delete", json!({"all": true, "dry_run": true})).await;
        let done = act(&server, "delete", json!({"all": true})).await;
        assert_eq!((&done["matched"], &done["done"]), (&preview["matched"], &json!(2)));
        let left = server.get("/api/v1/jobs").await.expect(200);
        assert_eq!((left["items"].as_array().unwrap().len(), &left["items"][0]["id"]), (1, &running["id"]));
        let deleted = server
            .send(server.request(
                reqwest::Method::DELETE,
                &format!("/api/v1/jobs/{}", running["id"].as_str().unwrap()),
            ))
            .await;
        deleted.problem(409, "job-running");
    })
    .await;
}

#[tokio::test]
async fn many_jobs_are_cancelled_and_run_at_once() {
    on_a_server(|server| async move {
        for n in 0..5 {
            server
                .enqueue(json!({"kind": "a", "delay": "1h", "tags": [if n < 2 { "x" } else { "y" }]}))
                .await;
        }
        assert_eq!(act(&server, "run-now", json!({"filter": {"tag": "x"}})).await["done"], 2);
        assert_eq!(server.claim("w", "a", 5).await.len(), 2);
        let cancelled = act(&server, "cancel", json!({"filter": {"kind": "a"}})).await;
        assert_eq!(cancelled["done"], 5, "three at once, two are asked to stop");
        assert_eq!(act(&server, "cancel", json!({"filter": {"kind": "a"}})).await["matched"], 0);
        for bad in [
            json!({"filter": {"nonsense": "x"}}),
            json!({"filter": {"state": "x"}}),
            json!({"filter": {"kind": 1}}),
            json!({"filter": {"created_after": "x"}}),
            json!({"filter": {"kind": "a"}, "queue": "b"}),
        ] {
            server.post("/api/v1/jobs/cancel", bad).await.problem(422, "invalid-request");
        }
        let causes = server.get("/api/v1/failures?kind=a&limit=5").await.expect(200);
        assert_eq!(causes["items"], json!([]));
        server.act("/api/v1/kinds/a/reset-breaker").await.expect(204);
        server.act("/api/v1/kinds/zzz/reset-breaker").await.problem(404, "not-found");
    })
    .await;
}

#[tokio::test]
async fn sql_never_takes_a_forgotten_filter_for_all() {
    let db = Db::new().await;
    db.enqueue(job("a")).await;
    for forgotten in ["null", "'{}'", "'[]'", "jsonb_build_object('kind', null)", "'{\"all\": false}'"] {
        let refusal = db.refusal(format!("select act_on_jobs('delete', {forgotten})")).await;
        assert!(refusal.contains("the filter"), "{forgotten}: {refusal}");
    }
    let endless = db.refusal("select act_on_jobs('delete', '{\"kind\": \"a\"}', null)").await;
    assert!(endless.contains("the maximum number of jobs is missing"), "{endless}");
    let all: (i32,) = db.rows("select done from act_on_jobs('delete', '{\"all\": true}')").await.remove(0);
    assert_eq!(all.0, 1);
}

#[tokio::test]
async fn a_redrive_moves_nothing_to_a_queue_that_takes_no_jobs() {
    let db = Db::new().await;
    let id = db.enqueue(job("a")).await;
    db.cancel(id, None, "me").await.unwrap();
    db.execute("select drain_queue('closed')").await;
    for queue in ["closed", "no such/queue"] {
        let act =
            format!("select done, refused from retry_jobs('{{\"kind\": \"a\"}}', to_queue => '{queue}')");
        let done: (i32, i32) = db.rows(act).await.remove(0);
        assert_eq!((done, db.state(id).await), ((0, 1), "cancelled"), "{queue}");
    }
}
