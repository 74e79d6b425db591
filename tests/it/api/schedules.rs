//! Schedules over HTTP: set, changed, previewed, paused, run and deleted; and every refusal.

use reqwest::Method;
use serde_json::{Value, json};

use super::server::{Answer, Server, on_a_server, text};

async fn send(server: &Server, method: Method, name: &str, body: Value) -> Answer {
    server.send(server.request(method, &format!("/api/v1/schedules/{name}")).json(&body)).await
}

async fn put(server: &Server, name: &str, body: Value) -> Answer {
    send(server, Method::PUT, name, body).await
}

#[tokio::test]
async fn n3_a_schedule_is_set_changed_paused_run_and_deleted() {
    on_a_server(|server| async move {
        let nightly = json!({
            "cron": "30 4 * * *", "timezone": "Europe/Berlin", "overlap": "queue", "jitter": "90s",
            "job": {"kind": "report", "args": {"days": 1}, "priority": "high", "hard_timeout": "2h"},
        });
        let made = put(&server, "nightly", nightly.clone()).await.expect(200);
        assert_eq!(made["upcoming"].as_array().unwrap().len(), 5);
        assert_eq!(made["job"], json!({"kind": "report", "args": {"days": 1}, "priority": 3, "hard_timeout": "7200 seconds"}));
        assert_eq!((&made["source"], &made["jitter_seconds"], &made["missed"]), (&json!("api"), &json!(90.0), &json!("one")));
        assert_eq!(put(&server, "nightly", nightly).await.expect(200)["updated_at"], made["updated_at"]);

        let changed = send(&server, Method::PATCH, "nightly", json!({"every": "2h", "missed": "all"})).await.expect(200);
        assert_eq!((&changed["cron"], &changed["every_seconds"]), (&Value::Null, &json!(7200.0)));
        assert_eq!((&changed["missed"], &changed["overlap"]), (&json!("all"), &json!("queue")));
        assert_eq!(changed["job"], made["job"]);
        assert_ne!(changed["upcoming"], made["upcoming"]);

        let paused = server.act("/api/v1/schedules/nightly/pause").await.expect(200);
        assert_eq!(paused["paused_by"], "anonymous");
        let job = server.act("/api/v1/schedules/nightly/run").await.expect(202);
        assert_eq!(server.job(&job["id"]).await["metadata"], json!({"schedule": "nightly", "by": "anonymous"}));
        assert_eq!(server.act("/api/v1/schedules/nightly/resume").await.expect(200)["paused_at"], Value::Null);
        server.act("/api/v1/queues/default/drain").await.expect(200);
        server.act("/api/v1/schedules/nightly/run").await.problem(409, "queue-draining");

        server.sql("insert into schedule_slots (schedule, slot, outcome, reason) values ('nightly', '2026-01-01', 'skipped', 'x')").await;
        let shown = server.get("/api/v1/schedules/nightly").await.expect(200);
        assert_eq!((&shown["slots"][0]["outcome"], &shown["slots"][0]["slot"]), (&json!("skipped"), &json!("2026-01-01T00:00:00.000000Z")));

        assert_eq!(shown["overdue_since"], Value::Null);
        server.sql("update schedules set next_at = '2026-01-02' where name = 'nightly'").await;
        let overdue = server.get("/api/v1/schedules/nightly").await.expect(200);
        assert_eq!(overdue["overdue_since"], "2026-01-02T00:00:00.000000Z", "nobody fires it");

        server.send(server.request(Method::DELETE, "/api/v1/schedules/nightly")).await.expect(204);
        for answer in [
            server.get("/api/v1/schedules/nightly").await,
            server.send(server.request(Method::DELETE, "/api/v1/schedules/nightly")).await,
            send(&server, Method::PATCH, "nightly", json!({"every": "2h"})).await,
            server.act("/api/v1/schedules/nightly/pause").await,
            server.act("/api/v1/schedules/nightly/resume").await,
            server.act("/api/v1/schedules/nightly/run").await,
        ] {
            answer.problem(404, "not-found");
        }
    })
    .await;
}

#[tokio::test]
async fn n1_a_bad_schedule_is_refused_with_its_field_and_the_remedy() {
    on_a_server(|server| async move {
        let job = json!({"kind": "k"});
        for (body, field, what) in [
            (json!({"job": job}), "/cron", "no time"),
            (json!({"cron": "* * * * *"}), "/job", "no job"),
            (json!({"cron": "* * * * *", "every": "1h", "job": job}), "/cron", "exactly one"),
            (json!({"cron": "* 25 * * *", "job": job}), "/cron", "\"25\" is no hour"),
            (json!({"cron": "", "job": job}), "/cron", "empty"),
            (json!({"cron": "0 0 30 2 *", "job": job}), "/cron", "never falls due"),
            (
                json!({"cron": "* * * * *", "timezone": "Europe/Berlni", "job": job}),
                "/timezone",
                "not a time zone",
            ),
            (json!({"every": "500ms", "job": job}), "/every", "shorter"),
            (json!({"every": 5e12, "job": job}), "/every", "longer"),
            (json!({"at": "2020-01-01T00:00:00Z", "job": job}), "/at", "in the past"),
            (json!({"at": "tomorrow", "job": job}), "/at", "not a time"),
            (json!({"every": "1h", "job": {"kind": "k", "delay": "5s"}}), "/job/delay", "many jobs"),
            (json!({"every": "1h", "job": {"kind": "k", "priority": 10}}), "/job/priority", "not a priority"),
            (json!({"every": "1h", "job": {"kind": "k", "colour": 1}}), "/job/colour", "unknown field"),
            (json!({"every": "1h", "job": job, "overlap": "kill"}), "/overlap", "unknown variant"),
            (json!({"every": "1h", "job": job, "missed_limit": 0}), "/missed_limit", "out of bounds"),
            (json!({"every": "1h", "job": job, "jitter": "2d"}), "/jitter", "longer"),
            (json!({"every": "1h", "job": job, "next_at": "x"}), "/next_at", "unknown field"),
        ] {
            let problem = put(&server, "s", body.clone()).await.problem(422, "invalid-request");
            assert_eq!(problem["field"], field, "{body}: {problem}");
            assert!(text(&problem["detail"]).contains(what), "{body}: {problem}");
        }
        put(&server, "no%20name", json!({"every": "1h", "job": job})).await.problem(422, "invalid-request");
        assert_eq!(server.get("/api/v1/schedules").await.expect(200)["items"], json!([]));
    })
    .await;
}

#[tokio::test]
async fn n1_a_preview_shows_both_changes_of_the_clock() {
    on_a_server(|server| async move {
        let preview = |body: Value| {
            let server = &server;
            async move { server.post("/api/v1/schedules/preview", body).await }
        };
        let body = json!({"cron": "30 2 * * *", "timezone": "Europe/Berlin", "next": 2, "after": "2026-03-28T12:00:00Z"});
        let slots = preview(body).await.expect(200)["slots"].clone();
        assert_eq!(slots, json!(["2026-03-29T01:00:00.000000Z", "2026-03-30T00:30:00.000000Z"]));
        assert_eq!(preview(json!({"every": "1h"})).await.expect(200)["slots"].as_array().unwrap().len(), 5);
        let problem = preview(json!({"cron": "0 0 31 2 *"})).await.problem(422, "invalid-request");
        assert_eq!(problem["field"], "/cron");
        preview(json!({"cron": "* * * * *", "next": 101})).await.problem(422, "invalid-request");
    })
    .await;
}

#[tokio::test]
async fn n3_the_list_goes_page_by_page() {
    on_a_server(|server| async move {
        for name in ["b", "a", "c"] {
            put(&server, name, json!({"every": "1h", "job": {"kind": "k"}})).await.expect(200);
        }
        let names = |page: &Value| -> Vec<String> {
            page["items"].as_array().unwrap().iter().map(|item| text(&item["name"]).to_owned()).collect()
        };
        let first = server.get("/api/v1/schedules?limit=2").await.expect(200);
        assert_eq!(names(&first), ["a", "b"]);
        let path = format!("/api/v1/schedules?limit=2&cursor={}", text(&first["next_cursor"]));
        let second = server.get(&path).await.expect(200);
        assert_eq!((names(&second), &second["next_cursor"]), (vec!["c".to_owned()], &Value::Null));
        server.get("/api/v1/schedules?cursor=%20").await.problem(422, "invalid-request");
    })
    .await;
}
