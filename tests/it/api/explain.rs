//! Why a job does not run, and what is wrong, over HTTP.

use serde_json::{Value, json};

use super::server::{on_a_server, text};

#[tokio::test]
async fn a_job_is_explained() {
    on_a_server(|server| async move {
        let job = server.enqueue(json!({"kind": "k", "execution_id": "order/42", "delay": "1h"})).await;
        let path = format!("/api/v1/jobs/{}/explain", text(&job["id"]));
        let answer = server.get(&path).await.expect(200);
        assert_eq!(answer["job_id"], job["id"]);
        let codes: Vec<&str> =
            answer["reasons"].as_array().unwrap().iter().map(|reason| text(&reason["code"])).collect();
        assert_eq!(codes, ["not_due", "no_worker"]);
        assert_eq!(answer["reasons"][0]["until"], job["run_at"]);
        assert_eq!((&answer["expected_start_at"], &answer["based_on"]), (&Value::Null, &Value::Null));
        let by_name = server.get("/api/v1/jobs/execution:order%2F42/explain").await.expect(200);
        assert_eq!(by_name["job_id"], job["id"]);
        let unknown = "/api/v1/jobs/019a0000-0000-7000-8000-000000000000/explain";
        server.get(unknown).await.problem(404, "job-not-found");
    })
    .await;
}

#[tokio::test]
async fn what_is_wrong_is_listed_the_worst_first() {
    on_a_server(|server| async move {
        server
            .sql("insert into finished_parents (job_id, at) values (gen_random_uuid(), now() - interval '1 hour')")
            .await;
        server.sql("alter table limits set unlogged").await;
        let answer = server.get("/api/v1/doctor").await.expect(200);
        assert_eq!(answer["next_cursor"], Value::Null);
        let items = answer["items"].as_array().unwrap();
        let find = |check: &str, words: &str| {
            items.iter().position(|item| item["check"] == check && text(&item["message"]).contains(words))
        };
        let (unlogged, endings) =
            (find("settings", "limits is unlogged").unwrap(), find("endings", "").unwrap());
        assert!(unlogged < endings, "{items:?}");
        assert_eq!(
            (&items[unlogged]["severity"], &items[endings]["severity"]),
            (&json!("critical"), &json!("warning"))
        );
        assert_eq!(items[unlogged]["advice"], "alter table limits set logged");
        assert_eq!(items[unlogged]["details"], json!({"table": "limits"}));
    })
    .await;
}

#[tokio::test]
async fn the_health_report_is_that_of_the_database() {
    on_a_server(|server| async move {
        server.sql("select note_sweep('1 hour')").await;
        server.sql("insert into jobs_live (id, kind, run_at) values (new_job_id(), 'k', now() - interval '1 hour')").await;
        let answer = server.get("/api/v1/health/report").await.expect(200);
        let mut of_sql = serde_json::to_value(server.store.health_report().await.unwrap()).unwrap();
        // The only number that grows with time.
        of_sql["findings"][0]["figures"][0]["value"] = answer["findings"][0]["figures"][0]["value"].clone();
        assert_eq!(answer, of_sql);
        assert_eq!(answer["findings"][0]["code"], "no_worker");
    })
    .await;
}
