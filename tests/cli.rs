//! The command line as a process of its own, against a small server that answers what a test wants.
//! What is judged is what a script sees: output, errors, exit codes, and the requests that were made.

#[path = "shared/binary.rs"]
mod binary;

use std::collections::VecDeque;
use std::process::Output;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::process::Command;

/// One request as the server saw it.
#[derive(Clone)]
struct Seen {
    method: Method,
    /// With its query, escaped as it came.
    path: String,
    headers: HeaderMap,
    body: Value,
}

/// A server that gives prepared answers in order, and remembers what it was asked.
#[derive(Clone, Default)]
struct Stub {
    answers: Arc<Mutex<VecDeque<Response>>>,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Stub {
    /// Starts it; answers its URL.
    async fn start(answers: impl IntoIterator<Item = Response>) -> (Self, String) {
        let stub = Self { answers: Arc::new(Mutex::new(answers.into_iter().collect())), ..Self::default() };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(answer).with_state(stub.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        (stub, url)
    }

    fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

async fn answer(State(stub): State<Stub>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, 1 << 20).await.unwrap();
    stub.seen.lock().unwrap().push(Seen {
        method: head.method,
        path: head.uri.to_string(),
        headers: head.headers,
        body: serde_json::from_slice(&body).unwrap_or_default(),
    });
    let answer = stub.answers.lock().unwrap().pop_front();
    answer.unwrap_or_else(|| (StatusCode::IM_A_TEAPOT, "asked more often than expected").into_response())
}

/// A JSON answer with exactly this text.
fn exact(status: u16, text: &str) -> Response {
    (StatusCode::from_u16(status).unwrap(), text.to_owned()).into_response()
}

fn problem(status: u16) -> Response {
    let body = json!({"type": "about:blank", "title": "A title", "status": status, "detail": "A detail.", "remedy": "A remedy."});
    exact(status, &body.to_string())
}

/// An event stream of these pieces; one that is `cut` ends in an error instead of an end.
fn frames(pieces: &[String], cut: bool) -> Response {
    let pieces = pieces.concat();
    let body = async_stream::stream! {
        yield Ok(pieces);
        // What was written goes out while the body is not ready.
        tokio::task::yield_now().await;
        if cut {
            yield Err(std::io::Error::other("cut"));
        }
    };
    ([("content-type", "text/event-stream")], Body::from_stream(body)).into_response()
}

fn frame(event: &str, id: u64, data: &Value) -> String {
    format!("event: {event}\nid: {id}\ndata: {data}\n\n")
}

fn log(seq: u64) -> String {
    frame(
        "log",
        seq,
        &json!({"job_id": "j", "seq": seq, "attempt": 1, "stream": "stdout", "line": format!("line {seq}")}),
    )
}

struct Ran {
    code: i32,
    out: String,
    err: String,
}

/// Runs the binary in a folder of its own.
async fn run_in(folder: &TempDir, args: &[&str], variables: &[(&str, &str)]) -> Ran {
    let mut command = Command::new(crate::binary::tidemill());
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("TIDEMILL_")) {
        command.env_remove(name);
    }
    command.args(args).envs(variables.iter().copied()).current_dir(folder.path()).kill_on_drop(true);
    let output = tokio::time::timeout(Duration::from_mins(1), command.output());
    let Output { status, stdout, stderr } = output.await.expect("the command ends").unwrap();
    Ran {
        code: status.code().expect("it ends by itself"),
        out: String::from_utf8(stdout).unwrap(),
        err: String::from_utf8(stderr).unwrap(),
    }
}

async fn run(url: &str, args: &[&str]) -> Ran {
    run_in(&TempDir::new().unwrap(), args, &[("TIDEMILL_URL", url)]).await
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    for args in [&["jobs", "list"][..], &["jobs", "tail", "x"], &["enqueue", "x"], &["queues"], &["workers"]]
    {
        let ran = run(&url, args).await;
        assert_eq!(ran.code, 3, "{args:?}: {}", ran.err);
        assert!(
            ran.err.contains(&url) && ran.err.contains("refused") && ran.err.contains("tidemill dev"),
            "{}",
            ran.err
        );
        assert_eq!(ran.out, "");
    }
}

#[tokio::test]
async fn problems_are_told_and_have_their_exit_codes() {
    for (status, code) in [(400, 1), (401, 5), (403, 5), (404, 4), (409, 1), (422, 1), (500, 1), (503, 3)] {
        let (_, url) = Stub::start([problem(status)]).await;
        let ran = run(&url, &["jobs", "show", "x"]).await;
        assert_eq!(ran.code, code, "{status}");
        // The server's remedy for a missing key is a header.
        let remedy = if status == 401 {
            "Set TIDEMILL_KEY, or --key, to a key; `tidemill keys create` makes one."
        } else {
            "A remedy."
        };
        assert_eq!(ran.err, format!("tidemill: A title\nA detail.\n{remedy}\n"));
    }
}

#[tokio::test]
async fn the_settings_that_hold_are_shown() {
    let folder = TempDir::new().unwrap();
    std::fs::write(
        folder.path().join("tidemill.toml"),
        "[worker]\npoll = '3s'\n[database]\nurl = 'postgres://a:s3cret@b/c'\n",
    )
    .unwrap();
    let slots = [("TIDEMILL_WORKER__SLOTS", "3")];
    let ran = run_in(&folder, &["config", "--changed"], &slots).await;
    assert_eq!(
        (ran.code, ran.out.as_str()),
        (
            0,
            "database.url = (hidden)  # tidemill.toml\nworker.slots = 3  # environment TIDEMILL_WORKER__SLOTS\n\
             worker.poll = 3s  # tidemill.toml\n"
        ),
        "{}",
        ran.err
    );
    let ran = run_in(&folder, &["config"], &slots).await;
    assert!(ran.out.contains("api.listen = 127.0.0.1:8080  # default\n"), "{}", ran.out);
    let ran = run_in(&folder, &["config", "--json"], &slots).await;
    let all: Value = serde_json::from_str(&ran.out).unwrap();
    let poll = all.as_array().unwrap().iter().find(|setting| setting["key"] == "worker.poll");
    assert_eq!(poll, Some(&json!({"key": "worker.poll", "value": "3s", "source": "tidemill.toml"})));
    // What would stop a start is told just the same.
    let ran = run_in(&folder, &["config"], &[("TIDEMILL_WORKER__SOLTS", "3")]).await;
    assert!(ran.code != 0 && ran.err.contains("did you mean slots?"), "{}", ran.err);
}

#[tokio::test]
async fn wrong_usage_is_told_before_anything_is_asked() {
    let (stub, url) = Stub::start([]).await;
    for (args, expected) in [
        (&["enqueue", "x", "--args", "[1]"][..], "JSON object"),
        (&["enqueue", "x", "n:=y"], "not JSON"),
        (&["enqueue", "x", "--priority", "0"], "1 (first) to 9"),
        (&["enqueue", "x", "--delay", "5"], "unit"),
        (&["enqueue", "x", "--run-at", "tomorrow"], "--run-at"),
        (&["queues", "purge", "q"], "--yes"),
        (&["worker", "--queue", "crawl"], "NAME=SLOTS"),
        (&["jobs", "list", "--url", "ftp://h"], "http://"),
        (&["frobnicate"], "frobnicate"),
    ] {
        let ran = run(&url, args).await;
        assert_eq!(ran.code, 2, "{args:?}: {}", ran.err);
        assert!(ran.err.contains(expected), "{args:?}: {}", ran.err);
    }
    assert!(stub.seen().is_empty());
}

#[tokio::test]
async fn wrong_settings_stop_the_start() {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("tidemill.toml"), "[kinds.a]\ncommand = ['x']\nhard_timout = '1h'")
        .unwrap();
    for args in [&["dev"][..], &["serve"], &["worker"], &["migrate"], &["keys", "list"]] {
        let ran = run_in(&folder, args, &[]).await;
        assert_eq!(ran.code, 2, "{args:?}");
        let expected =
            "tidemill: tidemill.toml: kinds.a.hard_timout: no such setting; did you mean hard_timeout?\n";
        assert_eq!(ran.err, expected);
    }
    let ran = run_in(&folder, &["dev", "--config", "other.toml"], &[]).await;
    assert!(ran.code == 2 && ran.err.contains("other.toml: no such config file"), "{}", ran.err);
}

#[tokio::test]
async fn o5_a_schema_whose_name_needs_quotes_is_refused() {
    for name in ["My Schema", "it's", "Tidemill", "1st", "pg_mine"] {
        let ran =
            run_in(&TempDir::new().unwrap(), &["migrate"], &[("TIDEMILL_DATABASE__SCHEMA", name)]).await;
        assert!(ran.code == 2 && ran.err.contains("database.schema"), "{name}: {}", ran.err);
    }
}

#[tokio::test]
async fn g2_heartbeats_have_bounds() {
    for (settings, expected) in [
        ("lease_ttl = '10s'", "worker.heartbeat: 5s is more than a third of worker.lease_ttl (10s)"),
        ("lease_ttl = '500ms'", "worker.lease_ttl: is out of bounds; allowed: a duration"),
        ("lease_ttl = '2h'", "worker.lease_ttl: is out of bounds; allowed: a duration"),
        ("heartbeat = '50ms'", "worker.heartbeat: is out of bounds; allowed: a duration"),
    ] {
        let folder = TempDir::new().unwrap();
        std::fs::write(folder.path().join("tidemill.toml"), format!("[worker]\n{settings}")).unwrap();
        let ran = run_in(&folder, &["worker"], &[]).await;
        assert!(ran.code == 2 && ran.err.contains(expected), "{settings}: {}", ran.err);
    }
}

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

#[tokio::test]
async fn queues_are_listed_and_acted_on() {
    let items = json!({"items": [
        {"name": "crawl", "paused_at": "2020-01-01T00:00:00Z", "running": 1, "available": 10_000, "worker_slots": null},
        {"name": "builds", "paused_at": null, "draining_at": null, "running": 0, "available": 3, "slots": 1, "worker_slots": 2},
    ]});
    let answers = [exact(200, &items.to_string()), exact(200, "{}"), exact(200, r#"{"purged":7}"#)];
    let (stub, url) = Stub::start(answers).await;
    let ran = run(&url, &["queues", "list"]).await;
    let rows: Vec<Vec<_>> = ran.out.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[1], ["crawl", "paused", "1", "10000+"]);
    assert_eq!(rows[2], ["builds", "open", "0", "3", "2"]);
    assert_eq!(run(&url, &["queues", "pause", "crawl"]).await.out, "queue crawl is paused\n");
    let ran = run(&url, &["queues", "purge", "crawl", "--yes"]).await;
    assert_eq!(ran.out, "queue crawl is purged: 7 jobs cancelled\n");
    assert_eq!(stub.seen()[2].path, "/api/v1/queues/crawl/purge");
}

#[tokio::test]
async fn queues_are_sized_and_shown() {
    let shown = json!({"name": "crawl", "draining_at": "2020-01-01T00:00:00Z", "running": 1, "available": 2, "waiting": 0,
        "max_queued": 100, "rate": 5, "per_seconds": 60.0, "burst": 2, "priority_ageing_seconds": 600.0});
    let answers = [exact(200, "{}"), exact(200, "{}"), exact(200, &shown.to_string())];
    let (stub, url) = Stub::start(answers).await;
    let some =
        ["queues", "set", "crawl", "--max-queued", "100", "--slots", "none", "--rate", "5", "--per", "1m"];
    assert_eq!(run(&url, &some).await.out, "queue crawl is set\n");
    run(&url, &["queues", "set", "crawl", "--priority-ageing", "10m", "--max-running", "0"]).await;
    let out = run(&url, &["queues", "show", "crawl"]).await.out;
    for line in [
        "most queued           100",
        "rate                  5 in 1m, 2 at one moment",
        "priority ageing       10m",
    ] {
        assert!(out.lines().any(|shown| shown == line), "{line} is not in\n{out}");
    }
    assert!(out.contains("draining, "), "{out}");
    let seen = stub.seen();
    assert_eq!((seen[0].method.as_str(), seen[0].path.as_str()), ("PATCH", "/api/v1/queues/crawl"));
    assert_eq!(seen[0].body, json!({"max_queued": 100, "slots": null, "rate": 5, "per": "1m"}));
    assert_eq!(seen[1].body, json!({"max_running": 0, "priority_ageing": "10m"}));
    let nothing = run(&url, &["queues", "set", "crawl"]).await;
    assert_eq!((nothing.code, stub.seen().len()), (2, 3), "{}", nothing.err);
    assert_eq!(run(&url, &["queues", "set", "crawl", "--slots", "many"]).await.code, 2);
}

#[tokio::test]
async fn single_jobs_rules_and_workers_have_their_verbs() {
    let job = json!({"id": "x", "state": "available", "status": "available"});
    let rule = json!({"name": "errors", "condition": "error_rate", "above": 0.1, "over_seconds": 900.0, "webhook": "https://a.b/…"});
    let answers = [
        exact(200, &job.to_string()),
        exact(204, ""),
        exact(200, "{}"),
        exact(200, &rule.to_string()),
        exact(200, r#"{"items":[]}"#),
    ];
    let (stub, url) = Stub::start(answers).await;
    assert_eq!(run(&url, &["jobs", "run-now", "x"]).await.out, "job x is available\n");
    assert_eq!(run(&url, &["jobs", "delete", "x"]).await.out, "job x is deleted\n");
    assert_eq!(run(&url, &["workers", "drain", "w"]).await.out, "worker w is draining\n");
    let out = run(&url, &["alerts", "show", "errors"]).await.out;
    assert!(out.contains("condition  error_rate") && out.contains("webhook    https://a.b/…"), "{out}");
    run(&url, &["alerts", "list", "--rule", "errors"]).await;
    let asked: Vec<_> = stub.seen().iter().map(|seen| format!("{} {}", seen.method, seen.path)).collect();
    assert_eq!(
        asked,
        [
            "POST /api/v1/jobs/x/run-now",
            "DELETE /api/v1/jobs/x",
            "POST /api/v1/workers/w/drain",
            "GET /api/v1/alert-rules/errors",
            "GET /api/v1/alerts?open=false&rule=errors",
        ]
    );
}

#[tokio::test]
async fn explain_says_why_and_when() {
    let reasons = json!([{"code": "limit_full", "message": "the limit x is full"}, {"code": "expires", "message": "it expires"}]);
    let known =
        json!({"reasons": reasons, "expected_start_at": "2020-01-01T00:00:00Z", "based_on": "3 jobs ahead"});
    let unknown = json!({"reasons": reasons, "expected_start_at": null, "based_on": null});
    let answers = [
        exact(200, &known.to_string()),
        exact(200, &unknown.to_string()),
        exact(200, "{\"a\": 1}"),
        problem(404),
    ];
    let (stub, url) = Stub::start(answers).await;
    let ran = run(&url, &["explain", "execution:a/b"]).await;
    let expected = "the limit x is full\nit expires\nit may start at 2020-01-01T00:00:00Z (3 jobs ahead)\n";
    assert_eq!((ran.code, ran.out.as_str()), (0, expected), "{}", ran.err);
    assert_eq!(stub.seen()[0].path, "/api/v1/jobs/execution:a%2Fb/explain");
    assert_eq!(run(&url, &["explain", "j"]).await.out, "the limit x is full\nit expires\n");
    assert_eq!(run(&url, &["explain", "j", "--json"]).await.out, "{\"a\": 1}\n");
    assert_eq!(run(&url, &["explain", "j"]).await.code, 4);
}

#[tokio::test]
async fn doctor_fails_if_anything_is_critical() {
    let finding =
        |severity: &str| json!({"check": "c", "severity": severity, "message": "it hurts", "advice": "rest"});
    let answers = [
        json!({"items": []}),
        json!({"items": [finding("warning"), finding("info")]}),
        json!({"items": [finding("critical"), finding("critical"), finding("warning")]}),
        json!({"items": [finding("critical")]}),
    ];
    let (stub, url) = Stub::start(answers.map(|answer| exact(200, &answer.to_string()))).await;
    let ran = run(&url, &["doctor"]).await;
    assert_eq!((ran.code, ran.out.as_str()), (0, "nothing is wrong\n"), "{}", ran.err);
    let ran = run(&url, &["doctor"]).await;
    assert_eq!((ran.code, ran.out.as_str()), (0, "warning: it hurts\n  rest\ninfo: it hurts\n  rest\n"));
    let ran = run(&url, &["doctor"]).await;
    assert_eq!((ran.code, ran.err.as_str()), (1, "tidemill: 2 of these are critical\n"));
    let ran = run(&url, &["doctor", "--json"]).await;
    assert_eq!(ran.code, 1);
    assert!(ran.out.starts_with("{\"items\":["), "{}", ran.out);
    assert!(stub.seen().iter().all(|request| request.path == "/api/v1/doctor"));
}

#[tokio::test]
async fn a_cut_stream_goes_on_without_loss_or_repeat() {
    let snapshot = |id| frame("snapshot", id, &json!({"status": "running", "seq": 9}));
    let progress = frame("progress", 2, &json!({"seq": 2, "attempt": 1, "percent": 50.0, "step": "half"}));
    let half_a_frame = "event: log\nid: 4\ndata: {\"seq\":4,".to_owned();
    let answers = [
        frames(&[snapshot(0), log(1), progress, log(3), half_a_frame], true),
        problem(503),
        // A server that sends too much must not be believed.
        frames(&[snapshot(3), log(3), log(4)], false),
        frames(&[snapshot(4), log(5), frame("completed", 5, &json!({"result": {"n": 5}}))], false),
    ];
    let (stub, url) = Stub::start(answers).await;
    let ran = run(&url, &["jobs", "tail", "j"]).await;
    assert_eq!(ran.out, "line 1\n[50% half]\nline 3\nline 4\nline 5\ncompleted\n{\"n\":5}\n", "{}", ran.err);
    assert_eq!(ran.code, 0);
    let seen = stub.seen();
    let positions: Vec<_> = seen.iter().map(|request| request.headers.get("last-event-id")).collect();
    assert_eq!(positions[0], None);
    assert_eq!(
        positions[1..].iter().map(|id| id.unwrap().to_str().unwrap()).collect::<Vec<_>>(),
        ["3", "3", "4"]
    );
    assert!(seen.iter().all(|request| request.headers["accept"] == "text/event-stream"));
}

#[tokio::test]
async fn a_job_that_fails_or_is_cancelled_is_no_success() {
    let failed = frame("failed", 1, &json!({"seq": 1, "error": {"message": "exit code 65"}}));
    let cancelled = frame("cancelled", 1, &json!({"seq": 1}));
    let (_, url) = Stub::start([frames(&[failed], false), frames(&[cancelled], false)]).await;
    let ran = run(&url, &["jobs", "tail", "j"]).await;
    assert_eq!((ran.code, ran.err.as_str()), (1, "tidemill: job j failed: exit code 65\n"));
    let ran = run(&url, &["jobs", "tail", "j", "--json"]).await;
    assert_eq!((ran.code, ran.err.as_str()), (1, "tidemill: job j was cancelled\n"));
    assert_eq!(ran.out, "{\"data\":{\"seq\":1},\"event\":\"cancelled\"}\n");
}

#[tokio::test]
async fn a_job_that_is_gone_ends_the_tail() {
    let (_, url) = Stub::start([frames(&[log(1)], true), problem(404)]).await;
    let ran = run(&url, &["jobs", "tail", "j"]).await;
    assert_eq!((ran.code, ran.out.as_str()), (4, "line 1\n"));
}

#[tokio::test]
async fn a_reader_that_has_enough_is_no_failure() {
    let mut text = json!({"items": []}).to_string();
    text.push_str(&" ".repeat(1 << 18));
    let (_, url) = Stub::start([exact(200, &text)]).await;
    let mut command = Command::new(crate::binary::tidemill());
    command
        .args(["workers", "--json", "--url", &url])
        .stdout(std::process::Stdio::piped())
        .kill_on_drop(true);
    let mut child = command.spawn().unwrap();
    drop(child.stdout.take());
    let status = tokio::time::timeout(Duration::from_mins(1), child.wait()).await.unwrap().unwrap();
    assert_eq!(status.code(), Some(0));
}

#[tokio::test]
async fn schedules_are_set_listed_run_and_previewed() {
    let schedule = json!({
        "name": "nightly", "cron": "30 4 * * *", "every_seconds": null, "at": null, "timezone": "UTC",
        "job": {"kind": "report", "args": {}}, "paused_at": null, "problem": null, "last_slot_at": null,
        "upcoming": ["2030-01-31T04:30:00.000000Z"],
    });
    let often = json!({"name": "often", "every_seconds": 90.0, "job": {"kind": "k"}, "paused_at": "2026-01-01T00:00:00Z"});
    let (stub, url) = Stub::start([
        exact(200, &schedule.to_string()),
        exact(200, &json!({"items": [schedule], "next_cursor": "next"}).to_string()),
        exact(200, &json!({"items": [often], "next_cursor": null}).to_string()),
        exact(202, r#"{"id": "the-id"}"#),
        exact(200, r#"{"slots": ["2030-01-31T04:30:00.000000Z"]}"#),
        exact(204, ""),
    ])
    .await;
    let set = [
        "schedules",
        "set",
        "nightly",
        "--cron",
        "30 4 * * *",
        "--kind",
        "report",
        "--args",
        r#"{"days": 1}"#,
        "--priority",
        "3",
        "--overlap",
        "queue",
    ];
    let ran = run(&url, &set).await;
    assert!(ran.code == 0 && ran.out.contains("2030-01-31T04:30:00.000000Z"), "{} {}", ran.out, ran.err);
    let ran = run(&url, &["schedules"]).await;
    for shown in ["nightly", "30 4 * * *", "report", "often", "every 1m 30s", "paused"] {
        assert!(ran.out.contains(shown), "{shown}: {}", ran.out);
    }
    assert_eq!(run(&url, &["schedules", "run", "nightly"]).await.out, "the-id\n");
    let ran = run(&url, &["schedules", "preview", "--cron", "30 4 * * *", "--next", "1"]).await;
    assert!(ran.out.starts_with("2030-01-31T04:30:00.000000Z  in "), "{}", ran.out);
    assert_eq!(run(&url, &["schedules", "delete", "nightly"]).await.code, 0);
    for wrong in [
        &["schedules", "set", "s", "--kind", "k"][..],
        &["schedules", "preview", "--cron", "x", "--every", "1h"],
    ] {
        assert_eq!(run(&url, wrong).await.code, 2, "{wrong:?}");
    }
    let seen: Vec<_> =
        stub.seen().into_iter().map(|seen| (seen.method.to_string(), seen.path, seen.body)).collect();
    let body = json!({"cron": "30 4 * * *", "overlap": "queue", "job": {"kind": "report", "args": {"days": 1}, "priority": 3}});
    assert_eq!(seen[0], ("PUT".into(), "/api/v1/schedules/nightly".into(), body));
    assert_eq!(seen[2].1, "/api/v1/schedules?cursor=next");
    assert_eq!((seen[3].0.as_str(), seen[3].1.as_str()), ("POST", "/api/v1/schedules/nightly/run"));
    assert_eq!(seen[4].2, json!({"cron": "30 4 * * *", "next": 1}));
    assert_eq!((seen[5].0.as_str(), seen.len()), ("DELETE", 6));
}

#[tokio::test]
async fn numbers_and_alerts_are_shown_set_and_exported() {
    let summary = json!({
        "enqueued": 3, "completed": 2, "failed": 1, "retried": 0, "success_rate": 0.6666, "average_run_seconds": 1.5,
        "least_run_seconds": 1.0, "most_run_seconds": 2.0,
        "kinds": [{"kind": "build", "enqueued": 3, "completed": 2, "failed": 1, "retried": 0, "success_rate": null}],
    });
    let alerts = json!({"items": [
        {"state": "firing", "rule": "errors", "subject": "kind:build", "message": "1 of 3", "undelivered": 0},
    ]});
    let csv = "at,queue,kind\r\n2030-01-01T00:00:00.000000Z,q,k\r\n";
    let answers = [
        exact(200, &summary.to_string()),
        exact(200, csv),
        exact(200, &alerts.to_string()),
        exact(200, "{}"),
        exact(204, ""),
    ];
    let (stub, url) = Stub::start(answers).await;
    let ran = run(&url, &["stats", "--since", "2h"]).await;
    let rows: Vec<Vec<_>> = ran.out.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[1], ["build", "3", "2", "1", "0"]);
    assert_eq!(rows[2][..7], ["all", "3", "2", "1", "0", "66.7", "%"]);
    let ran = run(&url, &["stats", "--export", "csv", "--kind", "k"]).await;
    assert_eq!(ran.out.trim_end(), csv.trim_end());
    let ran = run(&url, &["alerts"]).await;
    assert!(ran.out.contains("firing") && ran.out.contains("kind:build"), "{}", ran.out);
    let set = ["alerts", "set", "errors", "error_rate", "--above", "0.1", "--over", "1h", "--email", "a@b.c"];
    assert_eq!(run(&url, &set).await.out, "alert rule errors is set\n");
    assert_eq!(run(&url, &["alerts", "drop", "errors"]).await.out, "alert rule errors is deleted\n");
    let seen = stub.seen();
    let paths: Vec<_> = seen.iter().map(|seen| seen.path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "/api/v1/stats/summary?since=2h",
            "/api/v1/stats/export?format=csv&kind=k",
            "/api/v1/alerts?open=false",
            "/api/v1/alert-rules/errors",
            "/api/v1/alert-rules/errors",
        ]
    );
    assert_eq!(
        seen[3].body,
        json!({"condition": "error_rate", "above": 0.1, "over": "1h", "email": ["a@b.c"]})
    );
}
