//! Runs commands as attempts, and looks at processes.

use std::fs;
use std::future::Future;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tidemill::Context;
use tidemill::job::attempt::{Failure, Outcome, Usage};
use tidemill::kinds::command::CommandSpec;
use tidemill::worker::context::Attempt;
use tidemill::worker::handler::DynHandler;
use tidemill::worker::testing::{TestProbe, outcome_of};

pub(crate) const DEADLINE: Duration = Duration::from_mins(1);

pub(crate) struct Run {
    pub(crate) outcome: Outcome,
    pub(crate) usage: Usage,
    pub(crate) probe: TestProbe,
}

impl Run {
    pub(crate) fn result(&self) -> Option<Value> {
        match &self.outcome {
            Outcome::Completed { result } => result.clone(),
            other => panic!("not completed: {other:?}"),
        }
    }

    pub(crate) fn failure(&self) -> &Failure {
        match &self.outcome {
            Outcome::Failed { failure } => failure,
            other => panic!("not failed: {other:?}"),
        }
    }
}

pub(crate) async fn in_time<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, work).await.expect("the deadline passed")
}

pub(crate) async fn run_with(spec: CommandSpec, attempt: Attempt) -> Run {
    let (context, mut probe) = Context::for_test(attempt);
    let last = context.clone();
    let (outcome, usage) = outcome_of(in_time(spec.run(context)).await);
    last.event("end_of_test", json!({})).await;
    in_time(probe.wait_for(|event| event.kind == "end_of_test")).await;
    Run { outcome, usage, probe }
}

pub(crate) async fn run(spec: CommandSpec) -> Run {
    run_with(spec, Attempt::for_test("test", json!({ "n": 3 }))).await
}

pub(crate) fn shell(script: &str) -> CommandSpec {
    CommandSpec::new(["sh", "-c", script])
}

pub(crate) fn python(script: &str) -> CommandSpec {
    CommandSpec::new(["python3", "-c", script])
}

/// Waits until `fact` holds.
pub(crate) async fn until(what: &str, fact: impl Fn() -> bool) {
    let start = Instant::now();
    while !fact() {
        assert!(start.elapsed() < DEADLINE, "in vain: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// True while `pid` runs; a zombie that its new parent has not reaped yet does not.
pub(crate) fn runs(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z') && !rest.starts_with('X'))
}

pub(crate) fn exists(pid: i32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

pub(crate) fn numbers(lines: &[String]) -> Vec<i32> {
    lines.iter().filter_map(|line| line.rsplit(' ').next()?.parse().ok()).collect()
}

/// A tree of processes that SIGTERM does not end; each prints its number, and the innermost says
/// when it has heard one.
pub(crate) const STUBBORN: &str = r#"trap '' TERM
python3 -c '
import os, signal, time
if os.fork() == 0:
    signal.signal(signal.SIGTERM, lambda *_: print("heard", flush=True))
print("pid", os.getpid(), flush=True)
while True: time.sleep(600)
' &
echo pid $$
while :; do sleep 600; done"#;
