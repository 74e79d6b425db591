//! Queues, workers, schedules, alerts and the verdicts about a server.

use serde_json::json;

use crate::support::{Stub, exact, problem, run};

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
async fn the_exit_code_of_report_is_its_verdict() {
    let report = |verdict: &str| {
        json!({"verdict": verdict, "message": "so it is", "parts": {"flow": "ok", "execution": "ok", "liveness": "ok"},
            "deployment": "binary", "findings": [{"code": "no_worker", "severity": "attention", "message": "it hurts",
                "remedy": {"advice": "rest", "api": "GET /x", "command": "tidemill rest"}}]})
    };
    let answers =
        ["ok", "attention", "unknown", "ok"].map(|verdict| exact(200, &report(verdict).to_string()));
    let (stub, url) = Stub::start(answers).await;
    let parts =
        "flow: ok\nexecution: ok\nliveness: ok\nattention no_worker: it hurts\n  rest (tidemill rest)\n";
    for (verdict, code) in [("ok", 0), ("attention", 1), ("unknown", 6)] {
        let ran = run(&url, &["report"]).await;
        assert_eq!((ran.code, ran.out), (code, format!("{verdict}: so it is\n{parts}")), "{}", ran.err);
    }
    assert_eq!(run(&url, &["report", "--json"]).await.out, format!("{}\n", report("ok")));
    assert!(stub.seen().iter().all(|request| request.path == "/api/v1/health/report"));
}
