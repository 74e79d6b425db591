//! POST /jobs: what is stored, what is refused, and that a key makes a request safe to repeat.

use std::collections::HashSet;

use reqwest::Method;
use serde_json::{Map, Value, json};
use tidemill::NewJob;
use tidemill::api::server::settings::ApiSettings;
use tokio::task::JoinSet;

use super::server::{on_a_server, on_a_server_with, text};
use crate::support::wait_for;

#[tokio::test]
async fn a_job_is_answered_as_it_is_stored() {
    on_a_server(|server| async move {
        let spec = json!({
            "kind": "echo", "args": {"a": [1, "ü", null], "b": 0.1}, "queue": "lane", "priority": "high", "delay": "1h",
            "max_attempts": 7, "execution_id": "order/42 ü", "tags": ["t1", "t2"], "metadata": {"m": {"n": null}},
        });
        let answer = server.post("/api/v1/jobs", spec).await;
        let location = answer.headers["location"].to_str().unwrap().to_owned();
        let mut job = answer.expect(202);
        assert_eq!(location, format!("/api/v1/jobs/{}", text(&job["id"])));
        assert_eq!(job["links"]["self"], location);
        assert_eq!((&job["status"], &job["state"]), (&json!("scheduled"), &json!("available")));
        assert_eq!(server.get(&location).await.expect(200), job);
        assert_eq!(server.get("/api/v1/jobs/execution:order%2F42%20%C3%BC").await.expect(200), job);
        job = server.enqueue(json!({"kind": "echo"})).await;
        assert_eq!((&job["status"], &job["queue"], &job["priority"]), (&json!("available"), &json!("default"), &json!(5)));
        assert_eq!(server.job(&job["id"]).await, job);
    })
    .await;
}

#[tokio::test]
async fn a7_bad_input_is_refused_with_the_field_and_the_remedy() {
    on_a_server(|server| async move {
        let deep = format!(r#"{{"kind":"a","args":{{"a":{}{}}}}}"#, "[".repeat(50_000), "]".repeat(50_000));
        let huge = format!(r#"{{"kind":"a","args":{{"a":"{}"}}}}"#, "x".repeat(3_000_000));
        let cases: &[(&[u8], u16, &str)] = &[
            (b"{not json", 400, ""),
            (b"", 400, ""),
            (br#"{"args":{}}"#, 422, ""),
            (br#"{"kind":"a","args":[1]}"#, 422, "/args"),
            (br#"{"kind":"a","colour":1}"#, 422, "/colour"),
            (br#"{"kind":"a","priority":99}"#, 422, "/priority"),
            (br#"{"kind":"a","args":{"a":"\u0000"}}"#, 422, "/args/a"),
            (br#"{"kind":"a","args":{"a\u0000":1}}"#, 422, "/args/a\0"),
            (br#"{"kind":"a","args":{"a":"\ud800"}}"#, 422, "/args/a"),
            (br#"{"kind":"a","tags":["\udc00"]}"#, 422, "/tags/0"),
            (b"{\"kind\":\"a\",\"args\":{\"a\":\"\xff\"}}", 422, "/args/a"),
            (br#"{"kind":"a","run_at":"tomorrow"}"#, 422, "/run_at"),
            (br#"{"kind":"a","execution_id":"a\nb"}"#, 422, "/execution_id"),
            (br#"{"kind":""}"#, 422, "/kind"),
            (br#"{"kind":"a","queue":"a b"}"#, 422, "/queue"),
            (br#"{"kind":"a","args":{"a":1e400}}"#, 422, "/args/a"),
            (deep.as_bytes(), 422, "/args/a"),
            (huge.as_bytes(), 413, "/args"),
        ];
        for (body, status, field) in cases {
            let answer = server.raw("/api/v1/jobs", *body).await;
            let shown = String::from_utf8_lossy(&body[..body.len().min(80)]).into_owned();
            assert_eq!(answer.status, *status, "{shown}: {}", answer.body);
            let found = answer.body["field"].as_str().unwrap_or_default().to_owned();
            assert!(found.starts_with(field), "{shown}: {found}");
            assert!(answer.body["remedy"].is_string(), "{shown}");
        }
        let plain = server.request(Method::POST, "/api/v1/jobs").body("{}");
        server.send(plain).await.problem(415, "unsupported-media-type");
        for (charset, status) in [("utf-8", 422), ("\"UTF-8\"", 422), ("iso-8859-1", 415), ("utf-16", 415)] {
            let request = server
                .request(Method::POST, "/api/v1/jobs")
                .header("Content-Type", format!("application/json; charset={charset}"))
                .body("{}");
            assert_eq!(server.send(request).await.status, status, "{charset}");
        }
        let vast = server.raw("/api/v1/jobs", vec![b' '; 17 * 1024 * 1024]).await;
        vast.problem(413, "too-large");
        assert_eq!(server.get("/api/v1/jobs").await.expect(200)["items"], json!([]));
    })
    .await;
}

#[tokio::test]
async fn a_value_that_the_database_refuses_is_reported() {
    on_a_server(|server| async move {
        let first = server.enqueue(json!({"kind": "a", "execution_id": "one"})).await;
        let taken = server.post("/api/v1/jobs", json!({"kind": "a", "execution_id": "one"})).await;
        let problem = taken.problem(409, "execution-id-taken");
        assert_eq!((&problem["job"]["id"], &problem["job"]["links"]), (&first["id"], &first["links"]));
        server.act("/api/v1/queues/full/drain").await.expect(200);
        let draining = server.post("/api/v1/jobs", json!({"kind": "a", "queue": "full"})).await;
        assert_eq!(draining.problem(409, "queue-draining")["field"], "/queue");
        // A refusal leaves its key free.
        let again = json!({"kind": "a", "queue": "full"});
        server.keyed("/api/v1/jobs", "later", again.clone()).await.problem(409, "queue-draining");
        server.act("/api/v1/queues/full/resume").await.expect(200);
        server.keyed("/api/v1/jobs", "later", again).await.expect(202);
        server.get("/api/v1/jobs/not-an-id").await.problem(422, "invalid-request");
        server.get(&format!("/api/v1/jobs/{}", uuid::Uuid::new_v4())).await.problem(404, "job-not-found");
        server.get("/api/v1/jobs/execution:nobody").await.problem(404, "job-not-found");
    })
    .await;
}

#[tokio::test]
async fn strict_kinds_refuses_what_nobody_serves() {
    let settings = ApiSettings { strict_kinds: true, ..ApiSettings::default() };
    on_a_server_with(settings, Vec::new(), |server| async move {
        let unknown = server.post("/api/v1/jobs", json!({"kind": "a"})).await;
        assert_eq!(unknown.problem(422, "invalid-request")["field"], "/kind");
        let body = json!({"worker": "w", "kinds": ["a"]});
        server.post("/api/v1/worker/claim", body).await.expect(200);
        server.enqueue(json!({"kind": "a"})).await;
        let kinds = server.get("/api/v1/kinds").await.expect(200);
        assert_eq!(
            (&kinds["items"][0]["name"], &kinds["items"][0]["source"]),
            (&json!("a"), &json!("remote"))
        );
    })
    .await;
}

#[tokio::test]
async fn a_key_gets_the_first_answer_again() {
    on_a_server(|server| async move {
        let body = json!({"kind": "echo", "args": {"x": 1}});
        let first = server.keyed("/api/v1/jobs", "k1", body.clone()).await;
        assert!(!first.headers.contains_key("idempotency-replayed"));
        let first = first.expect(202);
        // Also when the job has moved on.
        server.act(&format!("/api/v1/jobs/{}/cancel", text(&first["id"]))).await.expect(200);
        let again = server.raw_keyed("/api/v1/jobs", "k1", r#"{ "args": {"x": 1}, "kind": "echo" }"#).await;
        assert_eq!(again.headers["idempotency-replayed"], "true");
        assert_eq!(again.headers["location"], text(&first["links"]["self"]));
        assert_eq!(again.expect(202), first);
        let other = server.keyed("/api/v1/jobs", "k1", json!({"kind": "echo", "args": {"x": 2}})).await;
        assert_eq!(other.problem(409, "idempotency-key-reused")["field"], "Idempotency-Key");
        server.keyed("/api/v1/jobs/batch", "k1", json!([body])).await.problem(409, "idempotency-key-reused");
        server.keyed("/api/v1/jobs", &"x".repeat(256), body.clone()).await.problem(422, "invalid-request");
        server.keyed("/api/v1/jobs", "", body).await.problem(422, "invalid-request");
        // An invalid request does not use its key up.
        server.keyed("/api/v1/jobs", "k2", json!({"kind": ""})).await.problem(422, "invalid-request");
        server.keyed("/api/v1/jobs", "k2", json!({"kind": "a"})).await.expect(202);
    })
    .await;
}

#[tokio::test]
async fn fifty_rivals_with_one_key_make_one_job() {
    on_a_server(|server| async move {
        let mut rivals = JoinSet::new();
        for _ in 0..50 {
            let server = server.clone();
            rivals.spawn(async move {
                let answer =
                    server.keyed("/api/v1/jobs", "race", json!({"kind": "echo", "args": {"r": 1}})).await;
                text(&answer.expect(202)["id"]).to_owned()
            });
        }
        let ids: HashSet<String> = rivals.join_all().await.into_iter().collect();
        assert_eq!(ids.len(), 1);
        let listed = server.get("/api/v1/jobs").await.expect(200);
        assert_eq!(listed["items"].as_array().unwrap().len(), 1);
    })
    .await;
}

#[tokio::test]
async fn many_at_once_share_statements_and_each_gets_its_own_answer() {
    on_a_server(|server| async move {
        let mut callers = JoinSet::new();
        for number in 0..300 {
            let server = server.clone();
            callers.spawn(async move {
                // A hundred names for three callers each: all but the first of a name are refused.
                let body = json!({"kind": "echo", "args": {"n": number}, "execution_id": format!("e{}", number % 100)});
                let answer = server.post("/api/v1/jobs", body).await;
                if answer.status == 202 {
                    assert_eq!(answer.body["args"]["n"], number);
                    return 1;
                }
                let problem = answer.problem(409, "execution-id-taken");
                assert!(problem["job"]["id"].is_string(), "{problem}");
                0
            });
        }
        assert_eq!(callers.join_all().await.into_iter().sum::<i32>(), 100);
        let metrics = server.get("/metrics").await.expect(200);
        let batches = text(&metrics).lines().find_map(|line| line.strip_prefix("tidemill_batch_rows_count{writer=\"enqueue\"} "));
        let batches: usize = batches.unwrap().parse().unwrap();
        assert!(batches < 300, "{batches} statements for 300 jobs");
    })
    .await;
}

#[tokio::test]
async fn only_the_guilty_job_of_a_statement_is_refused() {
    on_a_server(|server| async move {
        let job = |text: &str| {
            let job = NewJob::new("echo", Map::from_iter([("a".to_owned(), Value::from(text))]));
            server.store.prepare_inline(job).unwrap()
        };
        // Past the checks of the API, so that the database has to refuse.
        let texts = ["ok", "nul \0", "fine", "\0", "good"];
        let enqueuer = &server.state.enqueuer;
        let answers = futures_util::future::join_all(texts.map(|text| enqueuer.enqueue(job(text), 10))).await;
        for (text, answer) in texts.iter().zip(&answers) {
            assert_eq!(answer.is_err(), text.contains('\0'), "{text:?} {answer:?}");
        }
        let listed = server.get("/api/v1/jobs").await.expect(200);
        assert_eq!(listed["items"].as_array().unwrap().len(), 3);
    })
    .await;
}

#[tokio::test]
async fn a_single_job_notifies_only_if_somebody_waits() {
    on_a_server(|server| async move {
        let mut heard = sqlx::postgres::PgListener::connect(&server.store.options().url).await.unwrap();
        heard.listen(server.store.channel()).await.unwrap();
        for (who, is_notified) in [(None, false), (Some(true), false), (Some(false), true)] {
            sqlx::query("delete from queue_listeners").execute(server.store.pool()).await.unwrap();
            if let Some(is_busy) = who {
                let row =
                    "insert into queue_listeners (listener, queue, is_busy) values ('test', 'lane', $1)";
                sqlx::query(row).bind(is_busy).execute(server.store.pool()).await.unwrap();
            }
            server.enqueue(json!({"kind": "echo", "queue": "lane"})).await;
            // Sent after what the enqueue has to say.
            server.state.notifier.freed();
            let mut lines = String::new();
            while !lines.contains("capacity:") {
                lines += heard.recv().await.unwrap().payload();
            }
            assert_eq!(lines.contains("queue:lane"), is_notified, "{who:?}: {lines}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_caller_that_hangs_up_holds_up_nobody_and_its_job_is_stored() {
    on_a_server(|server| async move {
        let mut holder = server.store.pool().begin().await.unwrap();
        sqlx::query("lock table jobs_live in share mode").execute(holder.connection()).await.unwrap();
        let enqueue = |name: &'static str| {
            let (enqueuer, store) = (server.state.enqueuer.clone(), server.store.clone());
            tokio::spawn(async move {
                let job = store.prepare_inline(NewJob::new(name, Map::new())).unwrap();
                enqueuer.enqueue(job, 10).await.map(|enqueued| enqueued.id)
            })
        };
        let inserts = async |count: i64| {
            let waiting = "select count(*) from pg_stat_activity
                where datname = current_database() and wait_event_type = 'Lock' and query ~ 'insert_(jobs|plain_job)'";
            wait_for("the inserts wait", || async {
                let found: i64 = sqlx::query_scalar(waiting).fetch_one(server.store.pool()).await.unwrap();
                (found == count).then_some(())
            })
            .await;
        };
        let gone = enqueue("gone");
        inserts(1).await;
        let (second, third) = (enqueue("second"), enqueue("third"));
        gone.abort();
        // Not behind the statement of the one that is gone.
        inserts(2).await;
        holder.rollback().await.unwrap();
        second.await.unwrap().unwrap();
        third.await.unwrap().unwrap();
        wait_for("the job of the one that is gone", || async {
            let jobs = server.get("/api/v1/jobs").await.expect(200);
            (jobs["items"].as_array().unwrap().len() == 3).then_some(())
        })
        .await;
    })
    .await;
}
