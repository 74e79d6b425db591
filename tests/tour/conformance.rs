//! `tidemill conformance` with workers that keep the protocol and with one that breaks it in one place: each fault fails by the
//! name of its scenario, and nothing else makes it fail. The Python worker has its own test in `clients/python/tests`.

use std::path::PathBuf;
use std::process::{Child, Command, Output};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::checkout::{Checkout, command};
use crate::document::root;
use crate::shell::Shell;

/// Each fault of `broken_worker.py`, the scenario that it fails, and what is said of it.
const FAULTS: &[(&str, &str, &str)] = &[
    // Those first of which only the end of the scenario's time shows that they failed.
    ("shutdown", "shutdown", "the state available"),
    ("deaf", "shutdown", "a worker that exits after SIGTERM"),
    ("retry", "retry", "one end for an attempt"),
    ("one-key", "retry", "the attempts 2"),
    ("repeated-end", "repeated-end", "the state completed"),
    ("unanswered-end", "unanswered-end", "none after the lost answer"),
    ("no-heartbeats", "heartbeats", "the state completed"),
    ("missed-heartbeat", "missed-heartbeat", "the state completed"),
    ("echo", "echo", "the result"),
    ("key", "echo", "Authorization"),
    ("fields", "echo", "claim with `limit`"),
    ("ends-twice", "echo", "`complete` once more"),
    ("says-more", "echo", "`log` after the answer to its end"),
    ("failure", "failure", "the message no such customer"),
    ("server-away", "server-away", "it ended with"),
    ("busy", "busy", "which Retry-After of a 429 asked for"),
    ("lost-claim", "lost-claim", "it ended with"),
    ("order-of-lines", "order-of-lines", r#"the log lines ["one","two","three"]"#),
    ("late-write", "late-write", "an end only after the answers to all reports"),
    ("repeated-report", "repeated-report", r#"["one","two","two","three"]"#),
    ("heartbeats", "heartbeats", "a third of the lease"),
    ("lost-lease", "lost-lease", "nothing more for a lease"),
    ("lost-lease", "refused-report", "nothing more for a lease"),
    ("cancel", "cancel", "the state cancelled"),
    ("soft-timeout", "soft-timeout", "the state timed out"),
    ("drain", "drain", "at most 2 claims in a second"),
    ("steps", "steps", r#"the result {"done":["c"]}"#),
    ("deadline", "deadline", "the state timed out"),
    ("extend", "extend", "the state completed"),
    ("children", "children", r#"the children ["a","b"]"#),
    ("wait", "wait", "the attempts 1"),
];
const SOON: Duration = Duration::from_secs(30);
/// The faults are tried by so many threads, which mostly wait.
const AT_ONCE: usize = 12;
const BROKEN: &str = "tests/tour/broken_worker.py";

fn conformance(words: &[&str], worker: &[&str]) -> Output {
    Command::new(crate::binary::tidemill())
        .arg("conformance")
        .args(words)
        .arg("--")
        .args(worker)
        .current_dir(root())
        .output()
        .unwrap()
}

fn printed(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

fn passes(worker: &[&str], left_out: usize) {
    let output = conformance(&[], worker);
    let (lines, errors) = printed(&output);
    assert!(output.status.success(), "{worker:?}\n{lines}\n{errors}");
    let count = |word: &str| lines.lines().filter(|line| line.starts_with(word)).count();
    assert_eq!((count("ok"), count("left out")), (scenarios() - left_out, left_out), "{worker:?}\n{lines}");
}

fn scenarios() -> usize {
    std::fs::read_dir(root().join("conformance/remote-worker")).unwrap().count()
}

#[test]
fn a_worker_in_sh_keeps_the_protocol() {
    passes(&["examples/remote-worker/worker.sh"], 3);
}

#[test]
fn a_worker_in_rust_keeps_the_protocol() {
    passes(&[rust_example().to_str().expect("a path that is text")], 3);
}

fn rust_example() -> PathBuf {
    crate::binary::tidemill().parent().unwrap().join("examples/remote_worker")
}

/// What the scenarios hold of the workers is true of a real server too.
#[test]
fn the_examples_run_the_jobs_of_a_real_server() {
    let mut checkout = Checkout::start(&[]);
    for worker in [root().join("examples/remote-worker/worker.sh"), rust_example()] {
        let mut shell = Shell::open(checkout.path(), "jobs");
        let enqueue = |shell: &mut Shell, words: &str| {
            shell.run(&format!("target/demo/tidemill enqueue {words}"), SOON).trim().to_owned()
        };
        let running = command(worker.to_str().unwrap(), checkout.path())
            .env("TIDEMILL_URL", format!("http://{}", checkout.address()))
            .env("TIDEMILL_KEY", "none")
            .spawn()
            .unwrap();
        let mut running = Running(running);
        for (job, end) in [
            ("conformance.echo n:=1", "completed"),
            ("conformance.report lines:='[\"one\"]' percents:='[50]'", "completed"),
            ("conformance.fail message=no permanent:=true", "failed"),
        ] {
            let (output_text, _) =
                shell.try_run(&format!("target/demo/tidemill enqueue {job} --follow"), SOON);
            assert!(output_text.contains(end), "{}: {job}: {output_text}", worker.display());
        }
        let stopped = enqueue(&mut shell, "conformance.slow seconds:=60");
        until(&mut shell, &stopped, "running");
        shell.run(&format!("target/demo/tidemill jobs cancel {stopped}"), SOON);
        until(&mut shell, &stopped, "cancelled");
        let handed_back = enqueue(&mut shell, "conformance.slow seconds:=60");
        until(&mut shell, &handed_back, "running");
        kill(Pid::from_raw(running.0.id().cast_signed()), Signal::SIGTERM).unwrap();
        running.0.wait().unwrap();
        until(&mut shell, &handed_back, "available");
        shell.run(&format!("target/demo/tidemill jobs cancel {handed_back}"), SOON);
    }
    assert!(checkout.end().success());
}

/// A worker that must not outlive its test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It has ended, unless the test failed.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits until a job is in that state.
fn until(shell: &mut Shell, job: &str, state: &str) {
    let deadline = Instant::now() + SOON;
    loop {
        let output_text = shell.run(&format!("target/demo/tidemill jobs show {job} --json"), SOON);
        let output_text: Value = serde_json::from_str(&output_text).unwrap();
        if output_text["state"] == state {
            return;
        }
        assert!(Instant::now() < deadline, "{job} is not {state}: {output_text}");
    }
}

#[test]
fn each_fault_fails_by_the_name_of_its_scenario_and_without_one_all_pass() {
    let tried: Vec<&str> = FAULTS.iter().map(|(_, scenario, _)| *scenario).collect();
    let listed = conformance(&["--list"], &[]);
    for name in printed(&listed).0.lines().map(|line| line.split(' ').next().unwrap()) {
        assert!(tried.contains(&name), "no fault shows that {name} can fail");
    }
    let left = Mutex::new(FAULTS.iter());
    let next = || left.lock().unwrap().next();
    thread::scope(|scope| {
        scope.spawn(|| passes(&["python3", BROKEN], 0));
        for _ in 0..AT_ONCE {
            scope.spawn(|| std::iter::from_fn(next).for_each(a_fault_fails));
        }
    });
}

fn a_fault_fails((fault, scenario, came): &(&str, &str, &str)) {
    let output = conformance(&["--scenario", scenario], &["python3", BROKEN, fault]);
    let (lines, errors) = printed(&output);
    assert_eq!(output.status.code(), Some(1), "{fault}: {lines}{errors}");
    assert!(lines.starts_with(&format!("FAILED   {scenario} ")), "{fault}: {lines}");
    assert!(lines.contains(came), "{fault}: no {came:?} in {lines}");
    assert!(errors.contains(&format!("failed: {scenario}")), "{fault}: {errors}");
}

/// The end of a run with `--command`, and what it printed.
fn tried(args: &str, script: &str) -> (Option<i32>, String) {
    let output = conformance(&["--command", "--args", args], &["sh", "-c", script]);
    let (lines, errors) = printed(&output);
    (output.status.code(), lines + &errors)
}

#[test]
fn the_lines_and_the_stop_of_a_command_are_tried() {
    let (code, output_text) = tried(r#"{"n":3}"#, r#"read -r args; echo "{\"result\":$args}" >&3"#);
    assert_eq!(code, Some(0), "{output_text}");
    assert!(
        output_text.starts_with(r#"the attempt: completed with {"n":3}"#)
            && output_text.contains("left out stop"),
        "{output_text}"
    );
    let (code, output_text) = tried("{}", r#"echo '{"progres": {}}' >&3"#);
    assert!(
        code == Some(1) && output_text.contains("FAILED   lines") && output_text.contains("`progres`"),
        "{code:?} {output_text}"
    );
    let (code, output_text) = tried("{}", "sleep 2");
    assert!(code == Some(0) && output_text.contains("ok       stop"), "{code:?} {output_text}");
    let (code, output_text) = tried("{}", "trap '' TERM; sleep 2; sleep 12");
    assert!(code == Some(1) && output_text.contains("FAILED   stop"), "{code:?} {output_text}");
    assert!(!output_text.contains("FAILED   lines"), "{output_text}");
    assert_eq!(conformance(&["--command"], &["./no-such-command"]).status.code(), Some(2));
    assert_eq!(conformance(&["--command", "--args", "{"], &["true"]).status.code(), Some(2));
}

#[test]
fn what_cannot_be_played_is_wrong_usage() {
    let unknown = conformance(&["--scenario", "nothing"], &["true"]);
    assert_eq!(unknown.status.code(), Some(2), "{unknown:?}");
    assert!(printed(&unknown).1.contains("there are echo, failure"), "{unknown:?}");
    assert_eq!(conformance(&[], &["./no-such-worker"]).status.code(), Some(2));
    assert_eq!(conformance(&[], &[]).status.code(), Some(2));
}
