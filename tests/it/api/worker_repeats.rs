//! Every word of a remote worker may be repeated: same lease and body, same answer; another body is
//! refused, and nothing happens twice.

use serde_json::{Value, json};

use super::server::{Server, on_a_server, text};

async fn taken(server: &Server, kind: &str, more: Value) -> Value {
    let mut spec = json!({"kind": kind});
    spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    server.enqueue(spec).await;
    server.claim("w", kind, 1).await.remove(0)
}

/// Says a word twice; answers the one answer.
async fn twice(server: &Server, job: &Value, verb: &str, body: Value) -> Value {
    let first = server.word(job, verb, body.clone()).await.expect(200);
    let before = (server.job(&job["id"]).await, server.events(&job["id"]).await);
    assert_eq!(server.word(job, verb, body).await.expect(200), first);
    assert_eq!((server.job(&job["id"]).await, server.events(&job["id"]).await), before);
    first
}

async fn refused(server: &Server, job: &Value, words: &[(&str, Value)]) {
    for (verb, body) in words {
        server.word(job, verb, body.clone()).await.problem(409, "lease-lost");
    }
}

#[tokio::test]
async fn complete_is_said_once_and_heard_twice() {
    on_a_server(|server| async move {
        let results = [
            json!({}),
            json!({"result": null}),
            json!({"result": {"a": [1, 0.5, "ü"]}}),
            json!({"result": 1e5}),
        ];
        for (index, body) in results.into_iter().enumerate() {
            let job = taken(&server, &format!("k{index}"), json!({})).await;
            assert_eq!(twice(&server, &job, "complete", body).await, json!({"state": "completed"}));
            refused(
                &server,
                &job,
                &[
                    ("complete", json!({"result": "other"})),
                    ("fail", json!({"error": {"message": "x"}})),
                    ("snooze", json!({"delay": 1})),
                    ("progress", json!({"percent": 1})),
                    ("log", json!({"lines": ["x"]})),
                ],
            )
            .await;
        }
    })
    .await;
}

#[tokio::test]
async fn fail_is_said_once_and_heard_twice() {
    on_a_server(|server| async move {
        let error = json!({"error": {"message": "no disk", "type": "io", "backtrace": "at line 1"}});
        let job = taken(&server, "retried", json!({})).await;
        assert_eq!(twice(&server, &job, "fail", error.clone()).await, json!({"state": "available"}));
        refused(
            &server,
            &job,
            &[
                ("fail", json!({"error": {"message": "other"}})),
                ("complete", json!({})),
                ("snooze", json!({"delay": 1})),
            ],
        )
        .await;
        // Whatever becomes of the job: claimed again, ended, or cancelled.
        server.act(&format!("/api/v1/jobs/{}/run-now", text(&job["id"]))).await.expect(200);
        let second = server.claim("v", "retried", 1).await.remove(0);
        assert_eq!(server.word(&job, "fail", error.clone()).await.expect(200)["state"], "available");
        server.word(&second, "complete", json!({"result": 2})).await.expect(200);
        assert_eq!(server.word(&job, "fail", error.clone()).await.expect(200)["state"], "available");
        refused(&server, &job, &[("complete", json!({"result": 2}))]).await;

        let job = taken(&server, "last", json!({"max_attempts": 1})).await;
        assert_eq!(twice(&server, &job, "fail", error.clone()).await, json!({"state": "failed"}));
        let job = taken(&server, "permanent", json!({})).await;
        let mut body = error.clone();
        body["permanent"] = json!(true);
        assert_eq!(twice(&server, &job, "fail", body).await, json!({"state": "failed"}));
        refused(&server, &job, &[("fail", error.clone())]).await;
        let job = taken(&server, "cancelled", json!({})).await;
        server.act(&format!("/api/v1/jobs/{}/cancel", text(&job["id"]))).await.expect(202);
        assert_eq!(twice(&server, &job, "fail", error.clone()).await, json!({"state": "cancelled"}));
        let job = taken(&server, "waits", json!({})).await;
        assert_eq!(twice(&server, &job, "fail", error.clone()).await, json!({"state": "available"}));
        server.act(&format!("/api/v1/jobs/{}/cancel", text(&job["id"]))).await.expect(200);
        assert_eq!(server.word(&job, "fail", error).await.expect(200)["state"], "available");
    })
    .await;
}

#[tokio::test]
async fn snooze_is_said_once_and_heard_twice() {
    on_a_server(|server| async move {
        let job = taken(&server, "k", json!({})).await;
        assert_eq!(
            twice(&server, &job, "snooze", json!({"delay": "1h"})).await,
            json!({"state": "available"})
        );
        assert_eq!(
            server.word(&job, "snooze", json!({"delay": 3600})).await.expect(200)["state"],
            "available"
        );
        let now = server.job(&job["id"]).await;
        assert_eq!((&now["status"], &now["attempt"]), (&json!("scheduled"), &json!(0)));
        refused(
            &server,
            &job,
            &[
                ("snooze", json!({"delay": "2h"})),
                ("complete", json!({})),
                ("fail", json!({"error": {"message": "x"}})),
            ],
        )
        .await;
        server.act(&format!("/api/v1/jobs/{}/run-now", text(&job["id"]))).await.expect(200);
        let second = server.claim("w", "k", 1).await.remove(0);
        assert_eq!(second["attempt"], 1);
        assert_eq!(
            server.word(&job, "snooze", json!({"delay": "1h"})).await.expect(200)["state"],
            "available"
        );
        assert_eq!(
            twice(&server, &second, "snooze", json!({"delay": 0.000_001_5})).await["state"],
            "available"
        );
        refused(&server, &second, &[("snooze", json!({"delay": "1h"}))]).await;

        let third = server.claim("w", "k", 1).await.remove(0);
        server.act(&format!("/api/v1/jobs/{}/cancel", text(&job["id"]))).await.expect(202);
        assert_eq!(
            twice(&server, &third, "snooze", json!({"delay": "1h"})).await,
            json!({"state": "cancelled"})
        );
        refused(&server, &second, &[("snooze", json!({"delay": "1h"}))]).await;
        server.word(&third, "snooze", json!({"delay": "soon"})).await.problem(422, "invalid-request");
    })
    .await;
}

#[tokio::test]
async fn with_a_key_reports_and_claims_repeat_too() {
    on_a_server(|server| async move {
        server.enqueue(json!({"kind": "k"})).await;
        server.enqueue(json!({"kind": "k"})).await;
        let body = json!({"worker": "w", "kinds": ["k"], "wait_seconds": 5});
        let first = server.keyed("/api/v1/worker/claim", "c1", body.clone()).await.expect(200);
        let again = server.keyed("/api/v1/worker/claim", "c1", body.clone()).await;
        assert_eq!(again.headers["idempotency-replayed"], "true");
        assert_eq!(again.expect(200), first);
        let other = server.keyed("/api/v1/worker/claim", "c2", body).await.expect(200);
        assert_ne!(first["jobs"][0]["id"], other["jobs"][0]["id"]);
        let empty = json!({"worker": "w", "kinds": ["none"]});
        assert_eq!(server.keyed("/api/v1/worker/claim", "c3", empty).await.expect(200)["jobs"], json!([]));

        let job = &first["jobs"][0];
        for (verb, body) in [("progress", json!({"percent": 5})), ("log", json!({"lines": ["a", "b"]}))] {
            let path = format!("/api/v1/worker/jobs/{}/{verb}", text(&job["id"]));
            let mut body = body;
            body["lease_id"] = job["lease_id"].clone();
            let first = server.keyed(&path, verb, body.clone()).await.expect(200);
            for _ in 0..2 {
                assert_eq!(server.keyed(&path, verb, body.clone()).await.expect(200), first);
            }
            body["step"] = json!("other");
            let reused = server.keyed(&path, verb, body).await;
            assert!([409, 422].contains(&reused.status), "{}", reused.body);
        }
        assert_eq!(server.events(&job["id"]).await.len(), 3);
        server.word(job, "complete", json!({})).await.expect(200);
        let path = format!("/api/v1/worker/jobs/{}/progress", text(&job["id"]));
        let late = json!({"percent": 5, "lease_id": job["lease_id"]});
        server.keyed(&path, "progress", late.clone()).await.expect(200);
        server.keyed(&path, "late", late).await.problem(409, "lease-lost");
    })
    .await;
}
