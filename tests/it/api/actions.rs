//! Cancel, retry, run-now and delete: what each answers in every state, and that cancel and complete
//! never both win.

use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use uuid::Uuid;

use super::server::{Server, on_a_server, text};

fn path(job: &Value, verb: &str) -> String {
    format!("/api/v1/jobs/{}/{verb}", text(&job["id"]))
}

async fn delete(server: &Server, job: &Value) -> super::server::Answer {
    server.send(server.request(Method::DELETE, &format!("/api/v1/jobs/{}", text(&job["id"])))).await
}

#[tokio::test]
async fn cancel_ends_a_waiting_job_and_asks_a_running_one() {
    on_a_server(|server| async move {
        let waiting = server.enqueue(json!({"kind": "a"})).await;
        let answer =
            server.post(&path(&waiting, "cancel"), json!({"reason": "not needed"})).await.expect(200);
        assert_eq!((&answer["state"], answer["finished_at"].is_string()), (&json!("cancelled"), true));
        assert_eq!(server.act(&path(&waiting, "cancel")).await.expect(200), answer);
        let events = server.events(&waiting["id"]).await;
        assert_eq!(events, [("cancel_requested".into(), json!({"by": "anonymous", "reason": "not needed"}))]);

        server.enqueue(json!({"kind": "b"})).await;
        let running = server.claim("w", "b", 1).await.remove(0);
        for _ in 0..2 {
            let answer = server.act(&path(&running, "cancel")).await.expect(202);
            assert!(answer["cancel_requested_at"].is_string() && answer["state"] == "running");
        }
        assert_eq!(server.events(&running["id"]).await.len(), 1);
        server.word(&running, "complete", json!({"result": null})).await.expect(200);
        let problem = server.act(&path(&running, "cancel")).await.problem(409, "job-finished");
        assert_eq!(problem["state"], "completed");
        server.post(&path(&waiting, "cancel"), json!({"reason": 1})).await.problem(422, "invalid-request");
        let nobody = json!({"id": Uuid::new_v4().to_string()});
        server.act(&path(&nobody, "cancel")).await.problem(404, "job-not-found");
    })
    .await;
}

#[tokio::test]
async fn retry_and_run_now_make_a_job_due() {
    on_a_server(|server| async move {
        let job = server.enqueue(json!({"kind": "a", "delay": "1h", "max_attempts": 1})).await;
        assert_eq!(server.act(&path(&job, "run-now")).await.expect(200)["status"], "available");
        assert_eq!(server.act(&path(&job, "run-now")).await.expect(200)["status"], "available");
        let claimed = server.claim("w", "a", 1).await.remove(0);
        server.act(&path(&job, "retry")).await.problem(409, "job-running");
        assert_eq!(server.act(&path(&job, "run-now")).await.expect(200)["status"], "running");
        let failed = server.word(&claimed, "fail", json!({"error": {"message": "no"}})).await.expect(200);
        assert_eq!(failed["state"], "failed");
        server.act(&path(&job, "run-now")).await.problem(409, "job-finished");
        let again = server.act(&path(&job, "retry")).await.expect(200);
        assert_eq!(
            (&again["state"], &again["attempt"], &again["max_attempts"]),
            (&json!("available"), &json!(1), &json!(2))
        );
        server.act(&path(&job, "retry")).await.expect(200);
        let claimed = server.claim("w", "a", 1).await.remove(0);
        assert_eq!(claimed["attempt"], 2);
        let attempts = server.get(&path(&job, "attempts")).await.expect(200);
        assert_eq!(attempts["items"][0]["error"]["message"], "no");
        assert_eq!(
            (&attempts["items"][0]["outcome"], &attempts["next_cursor"]),
            (&json!("failed"), &Value::Null)
        );
        for verb in ["retry", "run-now"] {
            server
                .act(&format!("/api/v1/jobs/{}/{verb}", Uuid::new_v4()))
                .await
                .problem(404, "job-not-found");
        }
        server.get(&format!("/api/v1/jobs/{}/attempts", Uuid::new_v4())).await.problem(404, "job-not-found");
    })
    .await;
}

#[tokio::test]
async fn delete_takes_what_does_not_run() {
    on_a_server(|server| async move {
        let job = server.enqueue(json!({"kind": "a", "execution_id": "mine"})).await;
        let claimed = server.claim("w", "a", 1).await.remove(0);
        delete(&server, &job).await.problem(409, "job-running");
        server.word(&claimed, "complete", json!({"result": 1})).await.expect(200);
        assert_eq!(delete(&server, &job).await.status, 204);
        delete(&server, &job).await.problem(404, "job-not-found");
        server.get("/api/v1/jobs/execution:mine").await.problem(404, "job-not-found");
        server.enqueue(json!({"kind": "a", "execution_id": "mine"})).await;
    })
    .await;
}

#[tokio::test]
async fn f6_of_cancel_and_complete_one_wins() {
    on_a_server(|server| async move {
        let mut races = JoinSet::new();
        for _ in 0..20 {
            server.enqueue(json!({"kind": "race"})).await;
            let job = server.claim("w", "race", 1).await.remove(0);
            let server = server.clone();
            races.spawn(async move {
                let (cancel, complete) = tokio::join!(
                    server.send(server.request(Method::POST, &path(&job, "cancel"))),
                    server.word(&job, "complete", json!({"result": 1})),
                );
                complete.expect(200);
                match cancel.status {
                    202 => assert!(
                        ["running", "completed"].contains(&text(&cancel.body["state"])),
                        "{}",
                        cancel.body
                    ),
                    _ => assert_eq!(cancel.problem(409, "job-finished")["state"], "completed"),
                }
                assert_eq!(server.job(&job["id"]).await["state"], "completed");
            });
        }
        races.join_all().await;
    })
    .await;
}

#[tokio::test]
async fn f6_of_cancel_and_fail_one_wins() {
    on_a_server(|server| async move {
        let mut races = JoinSet::new();
        for n in 0..20 {
            server.enqueue(json!({"kind": "race"})).await;
            let job = server.claim("w", "race", 1).await.remove(0);
            let server = server.clone();
            races.spawn(async move {
                let error = json!({"error": {"message": "no luck"}, "permanent": n % 2 == 0});
                let (cancel, fail) = tokio::join!(
                    server.send(server.request(Method::POST, &path(&job, "cancel"))),
                    server.word(&job, "fail", error),
                );
                fail.expect(200);
                let state = server.job(&job["id"]).await["state"].clone();
                if cancel.status == 202 || cancel.status == 200 {
                    // It came before the fail, or to a job that waits for its retry.
                    assert_eq!(state, "cancelled", "{}", cancel.body);
                } else {
                    assert_eq!(cancel.problem(409, "job-finished")["state"], "failed");
                    assert_eq!((state, n % 2), (json!("failed"), 0));
                }
                let ends = server.events(&job["id"]).await;
                assert_eq!(ends.iter().filter(|(kind, _)| kind == "attempt_failed").count(), 1, "{ends:?}");
            });
        }
        races.join_all().await;
    })
    .await;
}

#[tokio::test]
async fn snooze_puts_off_and_a_change_gives_other_terms() {
    on_a_server(|server| async move {
        let job = server.enqueue(json!({"kind": "a"})).await;
        let snoozed = server.post(&path(&job, "snooze"), json!({"delay": "1h"})).await.expect(200);
        assert_eq!(snoozed["status"], "scheduled");
        let itself = format!("/api/v1/jobs/{}", text(&job["id"]));
        let change = async |body: Value| server.send(server.request(Method::PATCH, &itself).json(&body)).await;
        let terms = json!({
            "priority": "high", "queue": "night", "run_at": "2030-01-31T08:00:00Z", "max_attempts": 2, "tags": ["x"],
            "metadata": {"a": 1},
        });
        let changed = change(terms).await.expect(200);
        for (field, value) in [
            ("priority", json!(3)),
            ("queue", json!("night")),
            ("run_at", json!("2030-01-31T08:00:00.000000Z")),
            ("max_attempts", json!(2)),
            ("tags", json!(["x"])),
            ("metadata", json!({"a": 1})),
        ] {
            assert_eq!(changed[field], value, "{field}");
        }
        let types: Vec<_> = server.events(&job["id"]).await.into_iter().map(|(kind, _)| kind).collect();
        assert_eq!(types, ["snoozed", "replaced"]);
        assert_eq!(change(json!({"metadata": null})).await.expect(200)["metadata"], Value::Null);
        for (wrong, field) in [
            (json!({}), ""),
            (json!({"priority": 10}), "/priority"),
            (json!({"queue": "a b"}), "/queue"),
            (json!({"max_attempts": 0}), "/max_attempts"),
            (json!({"tags": [""]}), "/tags/0"),
        ] {
            assert_eq!(change(wrong.clone()).await.problem(422, "invalid-request")["field"], field, "{wrong}");
        }
        change(json!({"args": {}})).await.problem(422, "invalid-request");
        server.post(&path(&job, "snooze"), json!({})).await.problem(422, "invalid-request");
        change(json!({"run_at": "2020-01-01T00:00:00Z"})).await.expect(200);
        let claim = json!({"worker": "w", "kinds": ["a"], "queues": ["night"], "max": 1, "wait_seconds": 5});
        let claimed = server.post("/api/v1/worker/claim", claim).await.expect(200)["jobs"][0].clone();
        for (answer, slug) in [
            (change(json!({"priority": 1})).await, "job-running"),
            (server.post(&path(&job, "snooze"), json!({"delay": 1})).await, "job-running"),
        ] {
            answer.problem(409, slug);
        }
        server.word(&claimed, "fail", json!({"error": {"message": "no"}, "retry_after": "1h"})).await.expect(200);
        // It had one attempt; so one in all is none more.
        change(json!({"max_attempts": 1})).await.problem(422, "invalid-request");
        change(json!({"max_attempts": 5})).await.expect(200);
        server.act(&path(&job, "cancel")).await.expect(200);
        change(json!({"priority": 1})).await.problem(409, "job-finished");
        server.post(&path(&job, "snooze"), json!({"delay": 1})).await.problem(409, "job-finished");
        let nobody = format!("/api/v1/jobs/{}", Uuid::new_v4());
        let request = server.request(Method::PATCH, &nobody).json(&json!({"priority": 1}));
        server.send(request).await.problem(404, "job-not-found");
        server.post(&format!("{nobody}/snooze"), json!({"delay": 1})).await.problem(404, "job-not-found");
    })
    .await;
}
