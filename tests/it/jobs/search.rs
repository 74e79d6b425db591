//! A search for a value in args, metadata and error: within a window of time, and never for what redaction hides.

use serde_json::{Value, json};

use crate::api::server::{Server, on_a_server, text};

async fn found(server: &Server, search: &str) -> Vec<Value> {
    let path = format!("/api/v1/jobs?created_after={}&search={search}", hours_ago(1));
    let page = server.get(&path).await.expect(200);
    let mut names: Vec<_> = page["items"].as_array().unwrap().iter().map(|job| job["kind"].clone()).collect();
    names.sort_by_key(ToString::to_string);
    names
}

fn hours_ago(hours: i64) -> String {
    (chrono::Utc::now() - chrono::TimeDelta::hours(hours)).to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

#[tokio::test]
async fn a_value_is_found_in_args_metadata_and_error_whatever_the_state() {
    on_a_server(|server| async move {
        server.enqueue(json!({"kind": "a", "args": {"customer": {"id": 42, "name": "Ada"}}})).await;
        server.enqueue(json!({"kind": "b", "metadata": {"account": "42"}})).await;
        server.enqueue(json!({"kind": "c", "args": {"password": "secret42", "name": "Bo"}})).await;
        let job = server.enqueue(json!({"kind": "d", "max_attempts": 1})).await;
        server
            .sql(&format!(
                "with gone as (delete from jobs_live where id = '{}' returning *)
                 insert into jobs
                 select (jsonb_populate_record(null::jobs, to_jsonb(g) || '{{\"state\": \"failed\", \"finished_at\": \"{}\",
                   \"error\": {{\"message\": \"Ada was away\", \"type\": \"x\"}}}}')).* from gone g",
                text(&job["id"]), hours_ago(0)
            ))
            .await;
        server.sql("insert into redacted_keys (key) values ('password')").await;
        assert_eq!(found(&server, "ada").await, ["a", "d"]);
        assert_eq!(found(&server, "customer.id=42").await, ["a"]);
        assert_eq!(found(&server, "account=42").await, ["b"]);
        assert_eq!(found(&server, "name=Bo").await, ["c"]);
        assert_eq!(found(&server, "name=bo").await, Vec::<Value>::new(), "a member has exactly this value");
        for hidden in ["password=secret42", "secret42"] {
            assert_eq!(found(&server, hidden).await, Vec::<Value>::new(), "{hidden}");
        }
        let only = server.get(&format!("/api/v1/jobs?created_after={}&search=ada&state=failed", hours_ago(1))).await;
        assert_eq!(only.expect(200)["items"].as_array().unwrap().len(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_search_without_an_end_is_refused() {
    on_a_server(|server| async move {
        for query in [
            "search=abc".to_owned(),
            format!("search=abc&created_after={}", hours_ago(24 * 40)),
            format!("search=abc&created_before={}", hours_ago(1)),
            format!("search=a&created_after={}", hours_ago(1)),
        ] {
            server.get(&format!("/api/v1/jobs?{query}")).await.problem(422, "invalid-request");
        }
        let past = format!(
            "search=abc&created_after={}&created_before={}",
            hours_ago(24 * 400),
            hours_ago(24 * 380)
        );
        server.get(&format!("/api/v1/jobs?{past}")).await.expect(200);
    })
    .await;
}

/// Each page reads a stretch; the cursor leads to what lies behind it.
#[tokio::test]
async fn what_is_rare_is_found_page_after_page() {
    on_a_server(|server| async move {
        server.enqueue(json!({"kind": "rare", "args": {"n": "needle"}})).await;
        server.sql("select enqueue('hay', jsonb_build_object('n', n, 'more', repeat('x', 2000))) from generate_series(1, 12000) n").await;
        let (mut path, mut pages) = (format!("/api/v1/jobs?created_after={}&search=needle", hours_ago(1)), 0);
        let start = path.clone();
        let kinds = loop {
            let page = server.get(&path).await.expect(200);
            pages += 1;
            if page["next_cursor"].is_null() || page["items"] != json!([]) {
                break page["items"].clone();
            }
            path = format!("{start}&cursor={}", text(&page["next_cursor"]));
            assert!(pages < 200, "it ends");
        };
        assert_eq!((kinds.as_array().unwrap().len(), &kinds[0]["kind"]), (1, &json!("rare")));
    })
    .await;
}
