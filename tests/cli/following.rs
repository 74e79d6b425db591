//! A job that is followed to its end, over connections that break.

use std::time::Duration;

use serde_json::json;
use tokio::process::Command;

use crate::support::{Stub, exact, frame, frames, log, problem, run};

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
