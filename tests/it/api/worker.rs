//! Remote workers: a job's whole life over HTTP, long polls, and what a lost lease may not do.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use uuid::Uuid;

use super::server::{on_a_server, text, until};

#[tokio::test]
async fn a_job_lives_its_whole_life_over_http() {
    on_a_server(|server| async move {
        let job =
            server.enqueue(json!({"kind": "k", "queue": "remote", "args": {"n": 1}, "tags": ["t"]})).await;
        let body = json!({"worker": "w1", "kinds": ["k"], "queues": ["remote"], "max": 5, "wait_seconds": 5});
        let taken = server.post("/api/v1/worker/claim", body).await.expect(200)["jobs"].clone();
        let taken = &taken[0];
        assert_eq!(
            (&taken["id"], &taken["state"], &taken["attempt"]),
            (&job["id"], &json!("running"), &json!(1))
        );
        assert_eq!(
            (&taken["args"], &taken["tags"], &taken["worker_id"]),
            (&json!({"n": 1}), &json!(["t"]), &json!("w1"))
        );
        assert!(text(&taken["lease_expires_at"]) > text(&taken["started_at"]));
        let lease = &taken["lease_id"];
        let stranger = Uuid::new_v4().to_string();
        let beat = json!({"worker": "w1", "leases": [lease, stranger]});
        let answer = server.post("/api/v1/worker/heartbeat", beat).await.expect(200);
        assert_eq!(
            answer,
            json!({"held": [lease], "cancel": [], "soft_timeout": [], "lost": [stranger], "drain": false})
        );
        let report = json!({"percent": 50, "step": "half", "data": {"rows": 7}});
        assert_eq!(server.word(taken, "progress", report).await.expect(200), json!({"state": "running"}));
        server.word(taken, "log", json!({"lines": ["one", "two"], "stream": "stderr"})).await.expect(200);
        let now = server.job(&job["id"]).await;
        assert_eq!((&now["progress"]["percent"], &now["progress"]["step"]), (&json!(50.0), &json!("half")));
        let logged: Vec<_> = server.events(&job["id"]).await.into_iter().skip(1).collect();
        let line = |line: &str| ("log".to_owned(), json!({"stream": "stderr", "line": line}));
        assert_eq!(logged, [line("one"), line("two")]);
        assert_eq!(
            server.word(taken, "complete", json!({"result": {"ok": 1}})).await.expect(200),
            json!({"state": "completed"})
        );
        let done = server.job(&job["id"]).await;
        assert_eq!((&done["state"], &done["result"]), (&json!("completed"), &json!({"ok": 1})));
        assert_eq!(done["worker_id"], "w1");
    })
    .await;
}

#[tokio::test]
async fn a_caller_without_the_lease_changes_nothing() {
    on_a_server(|server| async move {
        let job = server.enqueue(json!({"kind": "k"})).await;
        let taken = server.claim("w", "k", 1).await.remove(0);
        let words = [
            ("progress", json!({"percent": 99})),
            ("log", json!({"lines": ["x"]})),
            ("complete", json!({"result": 1})),
            ("fail", json!({"error": {"message": "x"}})),
            ("snooze", json!({"delay": "1s"})),
        ];
        let before = server.job(&job["id"]).await;
        for (verb, mut body) in words.clone() {
            body["lease_id"] = json!(Uuid::new_v4());
            server.word(&taken, verb, body.clone()).await.problem(409, "lease-lost");
            let nobody = json!({"id": Uuid::new_v4().to_string()});
            server.word(&nobody, verb, body).await.problem(409, "lease-lost");
        }
        assert_eq!(server.job(&job["id"]).await, before);
        // The sweep takes it back, and another worker gets it: the first one is out.
        server.sql("update running set lease_expires_at = now() - interval '1 second'").await;
        server.store.sweep().await.unwrap();
        server.sql("update jobs_live set run_at = now()").await;
        let beat = json!({"worker": "w", "leases": [taken["lease_id"]]});
        assert_eq!(
            server.post("/api/v1/worker/heartbeat", beat).await.expect(200)["lost"],
            json!([taken["lease_id"]])
        );
        let second = server.claim("v", "k", 1).await.remove(0);
        assert_eq!(second["attempt"], 2);
        for (verb, body) in words {
            server.word(&taken, verb, body).await.problem(409, "lease-lost");
        }
        // Another worker's name does not renew the lease either.
        let beat = json!({"worker": "w", "leases": [second["lease_id"]]});
        assert_eq!(server.post("/api/v1/worker/heartbeat", beat).await.expect(200)["held"], json!([]));
        server.word(&second, "complete", json!({})).await.expect(200);
    })
    .await;
}

#[tokio::test]
async fn a_claim_waits_for_work_and_for_due_times() {
    on_a_server(|server| async move {
        let waiting = tokio::spawn({
            let server = server.clone();
            async move { (server.claim("w", "k", 3).await, Instant::now()) }
        });
        until("the worker's row", || async { !server.store.workers().await.unwrap().is_empty() }).await;
        server.enqueue(json!({"kind": "other"})).await;
        server.enqueue(json!({"kind": "k"})).await;
        let enqueued = Instant::now();
        let (jobs, at) = waiting.await.unwrap();
        assert_eq!(jobs.len(), 1);
        assert!(
            at.saturating_duration_since(enqueued) < Duration::from_millis(900),
            "it was woken, not polled"
        );
        let later = server.enqueue(json!({"kind": "k", "delay": "300ms"})).await;
        let jobs = server.claim("w", "k", 1).await;
        assert_eq!(jobs[0]["id"], later["id"]);
        assert!(text(&jobs[0]["started_at"]) >= text(&later["run_at"]));
        let began = Instant::now();
        let nothing = json!({"worker": "w", "kinds": ["k"], "wait_seconds": 0.3});
        assert_eq!(server.post("/api/v1/worker/claim", nothing).await.expect(200)["jobs"], json!([]));
        assert!(began.elapsed() >= Duration::from_millis(290));
    })
    .await;
}

#[tokio::test]
async fn a_claim_keeps_to_its_queues_kinds_and_number() {
    on_a_server(|server| async move {
        for (queue, kind, priority) in
            [("a", "k", 5), ("a", "k", 1), ("b", "k", 1), ("b", "x", 1), ("c", "k", 1)]
        {
            server.enqueue(json!({"kind": kind, "queue": queue, "priority": priority})).await;
        }
        let body = json!({"worker": "w", "kinds": ["k"], "queues": ["b", "a", "b"], "max": 2});
        let places = |answer: &Value| -> Vec<(String, i64)> {
            let jobs = answer["jobs"].as_array().unwrap().iter();
            jobs.map(|job| (text(&job["queue"]).to_owned(), job["priority"].as_i64().unwrap())).collect()
        };
        let first = server.post("/api/v1/worker/claim", body.clone()).await.expect(200);
        assert_eq!(places(&first), [("b".into(), 1), ("a".into(), 1)]);
        let second = server.post("/api/v1/worker/claim", body).await.expect(200);
        assert_eq!(places(&second), [("a".into(), 5)]);
        for (body, field) in [
            (json!({"worker": "w", "kinds": []}), "/kinds"),
            (json!({"worker": "w", "kinds": ["a b"]}), "/kinds/0"),
            (json!({"worker": "", "kinds": ["a"]}), "/worker"),
            (json!({"worker": "w", "kinds": ["a"], "max": 101}), "/max"),
            (json!({"worker": "w", "kinds": ["a"], "wait_seconds": 61}), "/wait_seconds"),
            (json!({"worker": "w", "kinds": ["a"], "queues": [""]}), "/queues/0"),
            (json!({"worker": "w", "kinds": ["a"], "wait": 1}), "/wait"),
        ] {
            let problem = server.post("/api/v1/worker/claim", body).await.problem(422, "invalid-request");
            assert_eq!(problem["field"], field);
        }
    })
    .await;
}

#[tokio::test]
async fn a_caller_that_disconnects_while_waiting_takes_nothing() {
    on_a_server(|server| async move {
        let body = json!({"worker": "gone", "kinds": ["k"], "wait_seconds": 60}).to_string();
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        let head = format!(
            "POST /api/v1/worker/claim HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            server.address,
            body.len()
        );
        stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
        until("the worker's row", || async { !server.store.workers().await.unwrap().is_empty() }).await;
        drop(stream);
        // Either the server has noticed by now, or what it took comes back at no cost.
        server.enqueue(json!({"kind": "k"})).await;
        let jobs = server.claim("here", "k", 1).await;
        assert_eq!((jobs.len(), &jobs[0]["attempt"]), (1, &json!(1)));
    })
    .await;
}

#[tokio::test]
async fn a_cancel_reaches_the_worker_with_its_heartbeat() {
    on_a_server(|server| async move {
        server.enqueue(json!({"kind": "k"})).await;
        let taken = server.claim("w", "k", 1).await.remove(0);
        server.act(&format!("/api/v1/jobs/{}/cancel", text(&taken["id"]))).await.expect(202);
        let beat = json!({"worker": "w", "leases": [taken["lease_id"]]});
        let answer = server.post("/api/v1/worker/heartbeat", beat).await.expect(200);
        assert_eq!(
            (&answer["held"], &answer["cancel"]),
            (&json!([taken["lease_id"]]), &json!([taken["lease_id"]]))
        );
        let end = server
            .word(&taken, "fail", json!({"error": {"message": "cancelled", "type": "cancelled"}}))
            .await;
        assert_eq!(end.expect(200)["state"], "cancelled");
        assert_eq!(server.job(&taken["id"]).await["state"], "cancelled");
    })
    .await;
}

#[tokio::test]
async fn no_result_or_line_wedges_a_job() {
    on_a_server(|server| async move {
        server.enqueue(json!({"kind": "k"})).await;
        let taken = server.claim("w", "k", 1).await.remove(0);
        let lease = text(&taken["lease_id"]);
        let path = |verb: &str| format!("/api/v1/worker/jobs/{}/{verb}", text(&taken["id"]));
        let raw = format!(
            r#"{{"lease_id":"{lease}","lines":["nul \u0000 half \ud800","{}"]}}"#,
            "é".repeat(40_000)
        );
        server.raw(&path("log"), raw).await.expect(200);
        let lines: Vec<String> = server
            .events(&taken["id"])
            .await
            .iter()
            .map(|(_, data)| text(&data["line"]).to_owned())
            .collect();
        assert_eq!(lines[0], "nul \\u0000 half \\ud800");
        assert!(lines[1].len() < 66_000 && lines[1].ends_with("[truncated, 80000 bytes in all]"));
        server
            .raw(&path("progress"), format!(r#"{{"lease_id":"{lease}","step":"\u0000"}}"#))
            .await
            .expect(200);
        let many = json!({"lines": vec!["x"; 1001]});
        server.word(&taken, "log", many).await.problem(422, "invalid-request");
        server.word(&taken, "log", json!({"lines": []})).await.problem(422, "invalid-request");
        server.word(&taken, "progress", json!({"percent": 101})).await.problem(422, "invalid-request");
        server.word(&taken, "progress", json!({"data": "x".repeat(70_000)})).await.problem(413, "too-large");
        server
            .word(&taken, "complete", json!({"result": "x".repeat(2_000_000)}))
            .await
            .problem(413, "too-large");
        let raw = format!(r#"{{"lease_id":"{lease}","result":{{"a\u0000":"\udc00"}}}}"#);
        for _ in 0..2 {
            server.raw(&path("complete"), raw.clone()).await.expect(200);
        }
        assert_eq!(server.job(&taken["id"]).await["result"], json!({"a\\u0000": "\\udc00"}));
    })
    .await;
}
