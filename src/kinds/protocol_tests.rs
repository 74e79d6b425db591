//! Lines of a process or a URL, and their effects. The tests must check only the events that the job gets.

use serde_json::json;

use super::*;
use crate::worker::context::Attempt;
use crate::worker::testing::outcome_of;

async fn read(lines: &[&str]) -> (Vec<(String, Value)>, Option<Verdict>) {
    let (context, mut probe) = Context::for_test(Attempt::for_test("test", json!({})));
    let mut channel = Channel::new(&context, "fd3", 200, 300);
    for line in lines {
        channel.line(Line { text: (*line).to_owned(), cut: false }).await;
    }
    let verdict = channel.into_verdict();
    context.log("end").await;
    probe.wait_for(|event| event.data["line"] == "end").await;
    let mut events: Vec<_> = probe.events().into_iter().map(|event| (event.kind, event.data)).collect();
    events.pop();
    (events, verdict)
}

#[tokio::test]
async fn lines_become_events() {
    let (events, verdict) = read(&[
        r#"{"progress":{"percent":30,"step":"half","data":{"n":1}}}"#,
        r#"{"log":"hello"}"#,
        "  ",
        r#"{"event":{"type":"stored","data":{"bytes":5}}}"#,
        r#"{"extend":"10m"}"#,
    ])
    .await;
    assert!(verdict.is_none());
    assert_eq!(events[0], ("progress".into(), json!({"percent": 30.0, "step": "half", "data": {"n": 1}})));
    assert_eq!(events[1], ("log".into(), json!({"stream": "log", "line": "hello"})));
    assert_eq!(events[2], ("stored".into(), json!({"bytes": 5})));
    assert_eq!(events[3], ("extended".into(), json!({"by_seconds": 600.0})));
    assert_eq!(events.len(), 4);
}

#[tokio::test]
async fn the_last_verdict_wins() {
    let lines = [r#"{"error":{"message":"no"}}"#, r#"{"result":1}"#, r#"{"result":{"a":"\u0000"}}"#];
    let (_, verdict) = read(&lines).await;
    assert_eq!(Verdict::conclude(verdict), Ok(Completion::done(json!({"a": "\\u0000"}))));
    let (_, verdict) = read(&[r#"{"result":1}"#, r#"{"snooze":"30s"}"#]).await;
    assert_eq!(Verdict::conclude(verdict), Err(JobError::snooze(Duration::from_secs(30))));
    let (_, verdict) =
        read(&[r#"{"error":{"message":"no such customer","type":"missing","permanent":true}}"#]).await;
    let expected = JobError::permanent("no such customer").class("missing");
    assert_eq!(Verdict::conclude(verdict), Err(expected));
}

#[tokio::test]
async fn what_is_not_understood_is_said() {
    let long = format!(r#"{{"log":"{}"}}"#, "x".repeat(300));
    let lines = [
        "hello",
        r#"{"progres":{}}"#,
        r#"{"progress":{"percent":"x"}}"#,
        r#"{"log":"\ud800"}"#,
        r#"{"event":{"type":"a b"}}"#,
        r#"{"snooze":"soon"}"#,
        r#"{"snooze":-1}"#,
        &"[".repeat(190),
        &long,
    ];
    let (events, verdict) = read(&lines).await;
    assert!(verdict.is_none());
    assert_eq!(events.len(), lines.len());
    for (kind, data) in &events {
        assert_eq!((kind.as_str(), &data["stream"]), ("log", &json!("fd3")));
        assert!(data["line"].as_str().is_some_and(|line| line.starts_with("line not understood")));
    }
    assert!(events[1].1["line"].as_str().is_some_and(|line| line.contains("progress")));
}

#[tokio::test]
async fn numbers_that_would_lose_digits_are_refused() {
    let (events, verdict) = read(&[
        r#"{"progress":{"percent":33.33333333333333333333,"data":{"n":0.1}}}"#,
        r#"{"progress":{"data":{"wei":25000000000000000001}}}"#,
        r#"{"event":{"type":"paid","data":{"amount":12345678901234567.89}}}"#,
        r#"{"result":{"wei":25000000000000000001}}"#,
    ])
    .await;
    assert_eq!(events[0].1["data"], json!({"n": 0.1}));
    for (_, data) in &events[1..] {
        assert!(data["line"].as_str().unwrap().contains("cannot be kept as it is"), "{data}");
    }
    let error = Verdict::conclude(verdict).unwrap_err().to_string();
    assert!(error.contains("25000000000000000001"), "{error}");
    let (_, verdict) = read(&[r#"{"step":{"name":"s","output":[1e400]}}"#]).await;
    assert!(Verdict::conclude(verdict).unwrap_err().to_string().contains("1e400"));
}

#[tokio::test]
async fn a_result_that_is_too_large_fails_for_good() {
    let large = format!(r#"{{ "result": "{}"}}"#, "x".repeat(400));
    let (_, verdict) = read(&[&large]).await;
    let (outcome, _) = outcome_of(Verdict::conclude(verdict).map(|_| unreachable!("it is too large")));
    let crate::job::attempt::Outcome::Failed { failure } = outcome else { panic!("{outcome:?}") };
    assert_eq!((failure.class.as_str(), failure.permanent), ("result_too_large", true));
}

#[tokio::test]
async fn what_runs_elsewhere_keeps_no_files() {
    let (events, verdict) = read(&[r#"{"keep":{"path":"report.pdf"}}"#]).await;
    assert!(verdict.is_none());
    let line = events[0].1["line"].as_str().unwrap();
    assert!(line.starts_with("file not kept: only a command"), "{line}");
}
