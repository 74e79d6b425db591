//! Schedules, numbers and alerts.

use serde_json::json;

use crate::support::{Stub, exact, run};

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
