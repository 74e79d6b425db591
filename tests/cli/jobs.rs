//! Jobs: enqueued, listed, shown, acted on.

use axum::http::Method;
use serde_json::json;
use tempfile::TempDir;

use crate::support::{Stub, exact, frame, frames, run, run_in};

#[tokio::test]
async fn enqueue_sends_what_was_said() {
    let (stub, url) = Stub::start([exact(202, r#"{"id":"0199","status":"available"}"#)]).await;
    let args = ["enqueue", "build", "--args", r#"{"a":1,"v":"x"}"#, "v=1.10", "n:=20", "--queue", "q"];
    let more =
        ["--priority", "high", "--delay", "90s", "--execution-id", "order/42", "--tag", "a", "--tag", "b"];
    let last = ["--max-attempts", "2", "--idempotency-key", "k1", "--key", "tm_secret"];
    let ran = run(&url, &[&args[..], &more, &last].concat()).await;
    assert_eq!((ran.code, ran.out.as_str()), (0, "0199\n"), "{}", ran.err);
    let seen = stub.seen();
    let request = &seen[0];
    assert_eq!((&request.method, request.path.as_str()), (&Method::POST, "/api/v1/jobs"));
    assert_eq!(request.headers["idempotency-key"], "k1");
    assert_eq!(request.headers["authorization"], "Bearer tm_secret");
    let body = json!({
        "kind": "build", "args": {"a": 1, "v": "1.10", "n": 20}, "queue": "q", "priority": "high", "delay": "90s",
        "execution_id": "order/42", "tags": ["a", "b"], "max_attempts": 2,
    });
    assert_eq!(request.body, body);
}

#[tokio::test]
async fn enqueue_reads_args_from_a_file_and_follows() {
    let answers = [
        exact(202, r#"{"id":"j"}"#),
        exact(200, r#"{"reasons":[{"code":"no_worker","message":"no live worker serves the kind k"}]}"#),
        frames(&[frame("completed", 0, &json!({"result": {"ok": true}}))], false),
    ];
    let (stub, url) = Stub::start(answers).await;
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("a.json"), r#"{"x": [1]}"#).unwrap();
    let ran =
        run_in(&folder, &["enqueue", "k", "--args-file", "a.json", "--follow", "--url", &url], &[]).await;
    assert_eq!((ran.code, ran.out.as_str()), (0, "j\ncompleted\n{\"ok\":true}\n"), "{}", ran.err);
    assert_eq!(stub.seen()[0].body, json!({"kind": "k", "args": {"x": [1]}}));
    // What can never run would be followed without a word.
    assert_eq!(stub.seen()[1].path, "/api/v1/jobs/j/explain");
    assert!(ran.err.contains("no live worker serves the kind k. `tidemill explain j`"), "{}", ran.err);
    assert_eq!(stub.seen()[2].path, "/api/v1/jobs/j/events");
}

#[tokio::test]
async fn lists_are_tables_or_the_exact_json() {
    // Order of keys and white space are the server's own: --json must not touch them.
    let text = r#"{"items":[ {"status":"running","id":"0199","kind":"build","queue":"builds","attempt":1,"max_attempts":3,"progress":{"percent":30.0,"step":"compiling"},"created_at":"2020-01-01T00:00:00.000000Z"}],"next_cursor":"c2"}"#;

    let (stub, url) = Stub::start([exact(200, text), exact(200, text)]).await;
    let ran = run(&url, &["jobs", "list", "--json"]).await;
    assert_eq!(ran.out, format!("{text}\n"));
    let ran = run(&url, &["jobs", "list", "--state", "running", "--tag", "a b", "--limit", "5"]).await;
    let lines: Vec<_> = ran.out.lines().collect();
    assert_eq!(lines.len(), 2, "{}", ran.out);
    for part in ["0199", "build", "running", "30% compiling", "1/3", "d "] {
        assert!(lines[1].contains(part), "{part}: {}", ran.out);
    }
    assert!(ran.err.contains("--cursor c2"), "{}", ran.err);
    assert_eq!(stub.seen()[1].path, "/api/v1/jobs?limit=5&state=running&tag=a+b");
}

#[tokio::test]
async fn a_job_is_found_by_its_execution_id() {
    let text = r#"{"id":"0199","kind":"k","status":"completed","args":{"a":1},"result":[1,2]}"#;

    let (stub, url) = Stub::start([exact(200, text), exact(200, text)]).await;
    let ran = run(&url, &["jobs", "show", "execution:order/42 ü"]).await;
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.out.contains("0199") && ran.out.contains("\"a\": 1"), "{}", ran.out);
    assert_eq!(stub.seen()[0].path, "/api/v1/jobs/execution:order%2F42%20%C3%BC");
    let ran = run(&url, &["jobs", "cancel", "0199"]).await;
    assert_eq!(ran.out, "job 0199 is completed\n");
    assert_eq!(
        (&stub.seen()[1].method, stub.seen()[1].path.as_str()),
        (&Method::POST, "/api/v1/jobs/0199/cancel")
    );
}

#[tokio::test]
async fn one_job_is_run_put_off_changed_and_deleted() {
    let text = r#"{"id":"j","status":"scheduled","queue":"night","priority":3,"run_at":null}"#;

    let answers = [exact(200, text), exact(200, text), exact(200, text), exact(204, "")];
    let (stub, url) = Stub::start(answers).await;
    assert_eq!(run(&url, &["jobs", "run-now", "j"]).await.out, "job j is scheduled\n");
    assert!(
        run(&url, &["jobs", "snooze", "j", "2h"]).await.out.starts_with("job j is scheduled, queue night")
    );
    let words = [
        "jobs",
        "change",
        "j",
        "--priority",
        "high",
        "--queue",
        "night",
        "--max-attempts",
        "2",
        "--tag",
        "x",
    ];
    assert_eq!(run(&url, &words).await.code, 0);
    assert_eq!(run(&url, &["jobs", "delete", "j"]).await.out, "job j is deleted\n");
    let seen = stub.seen();
    let asked: Vec<_> = seen.iter().map(|seen| (seen.method.as_str(), seen.path.as_str())).collect();
    let expected = [
        ("POST", "/api/v1/jobs/j/run-now"),
        ("POST", "/api/v1/jobs/j/snooze"),
        ("PATCH", "/api/v1/jobs/j"),
        ("DELETE", "/api/v1/jobs/j"),
    ];
    assert_eq!(asked, expected);
    assert_eq!(seen[1].body, json!({"delay": "2h"}));
    let change = json!({"priority": "high", "queue": "night", "max_attempts": 2, "tags": ["x"]});
    assert_eq!(seen[2].body, change);
    for wrong in [&["jobs", "change", "j"][..], &["jobs", "snooze", "j"], &["jobs", "snooze", "j", "soon"]] {
        assert_eq!(run(&url, wrong).await.code, 2, "{wrong:?}");
    }
}

#[tokio::test]
async fn what_was_before_in_a_jobs_life_is_listed() {
    let answers = [
        r#"{"items":[{"attempt":1,"outcome":"failed","worker_id":"w","error":{"message":"no disk"}}]}"#,
        r#"{"items":[{"name":"charge","attempt":1,"output":{"n":7},"spawned_id":null}]}"#,
        r#"{"items":[{"name":"go","payload":true,"sent_by":"ann","timed_out":false},{"name":"late","timed_out":true}]}"#,
    ];
    let (stub, url) = Stub::start(answers.map(|answer| exact(200, answer))).await;
    for (what, shown) in [
        ("attempts", &["failed", "no disk"][..]),
        ("steps", &["charge", "{\"n\":7}"]),
        ("signals", &["ann", "nobody in time"]),
    ] {
        let ran = run(&url, &["jobs", what, "j"]).await;
        assert!(
            ran.code == 0 && shown.iter().all(|word| ran.out.contains(word)),
            "{what}: {} {}",
            ran.out,
            ran.err
        );
    }
    let paths: Vec<_> = stub.seen().iter().map(|seen| seen.path.clone()).collect();
    assert_eq!(paths, ["attempts", "steps", "signals"].map(|what| format!("/api/v1/jobs/j/{what}")));
}

#[tokio::test]
async fn the_server_of_a_dev_process_is_found() {
    let (stub, url) = Stub::start([exact(200, r#"{"items":[]}"#), exact(200, r#"{"items":[]}"#)]).await;
    let folder = TempDir::new().unwrap();
    for dir in [".tidemill", "other"] {
        std::fs::create_dir(folder.path().join(dir)).unwrap();
        std::fs::write(folder.path().join(dir).join("urls.json"), json!({ "http": url }).to_string())
            .unwrap();
    }
    assert_eq!(run_in(&folder, &["workers"], &[]).await.code, 0);
    assert_eq!(run_in(&folder, &["queues", "--data-dir", "other"], &[]).await.code, 0);
    assert_eq!(stub.seen().len(), 2);
}

#[tokio::test]
async fn keys_are_those_of_a_running_dev_process() {
    let folder = TempDir::new().unwrap();
    let ran = run_in(&folder, &["keys", "list"], &[]).await;
    assert!(ran.code == 2 && ran.err.contains("no database is configured"), "{}", ran.err);
    std::fs::create_dir(folder.path().join(".tidemill")).unwrap();
    let urls = json!({ "http": "http://127.0.0.1:1", "database": "postgres://nobody@127.0.0.1:1/none" });
    std::fs::write(folder.path().join(".tidemill/urls.json"), urls.to_string()).unwrap();
    // Nothing listens there: the refusal shows which database was asked.
    let ran = run_in(&folder, &["keys", "list"], &[]).await;
    assert!(ran.code == 1 && ran.err.contains("Connection refused"), "{}", ran.err);
    let other = [("TIDEMILL_DATABASE__URL", "postgres://nobody@%2Fnowhere/none")];
    let ran = run_in(&folder, &["keys", "list"], &other).await;
    assert!(ran.code == 1 && !ran.err.contains("Connection refused"), "{}", ran.err);
}
