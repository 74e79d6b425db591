//! Errors, their exit codes, and settings that stop a start.

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;

use crate::support::{Stub, problem, run, run_in};

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
async fn problems_are_printed_and_have_their_exit_codes() {
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
async fn wrong_usage_is_an_error_before_any_request() {
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
