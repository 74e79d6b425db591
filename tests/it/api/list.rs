//! GET /jobs: pages by key over live and finished jobs, and every filter.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::server::{Server, on_a_server, text};

async fn listed(server: &Server, query: &str) -> Vec<Value> {
    let page = server.get(&format!("/api/v1/jobs?{query}")).await.expect(200);
    page["items"].as_array().unwrap().iter().map(|job| job["id"].clone()).collect()
}

#[tokio::test]
async fn o1_pages_go_over_live_and_finished_jobs() {
    on_a_server(|server| async move {
        let mut ids = Vec::new();
        for index in 0..7 {
            let job = server.enqueue(json!({"kind": "echo", "tags": ["mine"], "args": {"i": index}})).await;
            if index % 2 == 1 {
                server.act(&format!("/api/v1/jobs/{}/cancel", text(&job["id"]))).await.expect(200);
            }
            ids.insert(0, job["id"].clone());
            server.enqueue(json!({"kind": "echo"})).await;
        }
        for limit in [1, 3, 7, 8] {
            let (mut seen, mut cursor, mut pages) = (Vec::new(), String::new(), 0);
            loop {
                let page =
                    server.get(&format!("/api/v1/jobs?tag=mine&limit={limit}{cursor}")).await.expect(200);
                seen.extend(page["items"].as_array().unwrap().iter().map(|job| job["id"].clone()));
                pages += 1;
                // A newer job never moves the pages behind it.
                server.enqueue(json!({"kind": "echo", "tags": ["other"]})).await;
                let Some(next) = page["next_cursor"].as_str() else { break };
                cursor = format!("&cursor={next}");
            }
            assert_eq!(seen, ids, "{limit} a page");
            assert_eq!(pages, 7_usize.div_ceil(limit));
        }
    })
    .await;
}

#[tokio::test]
async fn o1_every_filter_holds() {
    on_a_server(|server| async move {
        let plain = server.enqueue(json!({"kind": "echo"})).await["id"].clone();
        let later =
            server.enqueue(json!({"kind": "echo", "delay": "1h", "priority": "low"})).await["id"].clone();
        let other =
            server.enqueue(json!({"kind": "other", "queue": "lane", "tags": ["a", "b"]})).await["id"].clone();
        let gone = server.enqueue(json!({"kind": "echo"})).await["id"].clone();
        server.act(&format!("/api/v1/jobs/{}/cancel", text(&gone))).await.expect(200);
        let failing = server.enqueue(json!({"kind": "failing", "queue": "f"})).await["id"].clone();
        let body = json!({"worker": "w", "kinds": ["failing"], "queues": ["f"]});
        let claimed = server.post("/api/v1/worker/claim", body).await.expect(200)["jobs"][0].clone();
        assert_eq!(listed(&server, "state=running").await, std::slice::from_ref(&failing));
        let error = json!({"error": {"message": "The DISK is 100% full"}});
        assert_eq!(server.word(&claimed, "fail", error).await.expect(200)["state"], "available");

        let all = [&failing, &gone, &other, &later, &plain].map(Clone::clone);
        let cases: &[(&str, &[&Value])] = &[
            ("", &[&failing, &gone, &other, &later, &plain]),
            ("state=available", &[&failing, &other, &later, &plain]),
            ("state=scheduled", &[&later]),
            ("state=retrying", &[&failing]),
            ("state=cancelled", &[&gone]),
            ("state=completed", &[]),
            ("state=running", &[]),
            ("state=waiting", &[]),
            ("queue=lane", &[&other]),
            ("kind=echo&state=cancelled", &[&gone]),
            ("kind=nothing", &[]),
            ("tag=b", &[&other]),
            ("priority=low", &[&later]),
            ("priority=7", &[&later]),
            ("error=disk%20is", &[&failing]),
            ("error=100%25", &[&failing]),
            ("error=50%25", &[]),
            ("finished_after=2020-01-01T00:00:00Z", &[&gone]),
            ("finished_before=2020-01-01T00:00:00Z", &[]),
            ("created_after=2199-01-01T00:00:00%2B01:00", &[]),
            ("created_before=2199-01-01T00:00:00Z&limit=200", &[&failing, &gone, &other, &later, &plain]),
            ("limit=2", &[&failing, &gone]),
        ];
        for (query, expected) in cases {
            let expected: Vec<Value> = expected.iter().map(|id| (*id).clone()).collect();
            assert_eq!(listed(&server, query).await, expected, "{query}");
        }
        let from = text(&server.job(&other).await["created_at"]).replace('+', "%2B");
        let since: HashSet<String> = listed(&server, &format!("created_after={from}"))
            .await
            .iter()
            .map(|id| text(id).to_owned())
            .collect();
        assert_eq!(since, all[..3].iter().map(|id| text(id).to_owned()).collect());
    })
    .await;
}

#[tokio::test]
async fn a_bad_query_names_its_parameter() {
    on_a_server(|server| async move {
        for (query, name) in [
            ("colour=1", "colour"),
            ("state=done", "state"),
            ("limit=0", "limit"),
            ("limit=201", "limit"),
            ("limit=x", "limit"),
            ("cursor=abc", "cursor"),
            ("priority=10", "priority"),
            ("queue=a%20b", "queue"),
            ("created_after=yesterday", "created_after"),
            ("finished_before=2020-01-01", "finished_before"),
            ("tag=%00", "tag"),
            ("kind=a&kind=b", "kind"),
        ] {
            let problem = server.get(&format!("/api/v1/jobs?{query}")).await.problem(422, "invalid-request");
            assert_eq!(problem["field"], name, "{query}");
        }
    })
    .await;
}
