//! `tidemill conformance` with workers that keep the protocol and with one that breaks it in one place: each fault fails by the
//! name of its scenario, and nothing else makes it fail. The Python worker has its own test in `clients/python/tests`.

use std::process::{Command, Output};
use std::thread;

use crate::document::root;

/// Each fault of `broken_worker.py`, the scenario that it fails, and what is said of it.
const FAULTS: &[(&str, &str, &str)] = &[
    ("echo", "echo", "the result"),
    ("key", "echo", "Authorization"),
    ("fields", "echo", "claim with `limit`"),
    ("ends-twice", "echo", "`complete` once more"),
    ("says-more", "echo", "`log` after the answer to its end"),
    ("failure", "failure", "the message no such customer"),
    ("retry", "retry", "one end for an attempt"),
    ("one-key", "retry", "the attempts 2"),
    ("server-away", "server-away", "it ended with"),
    ("lost-claim", "lost-claim", "it ended with"),
    ("order-of-lines", "order-of-lines", r#"the log lines ["one","two","three"]"#),
    ("late-write", "late-write", "an end only after the answers to all reports"),
    ("repeated-report", "repeated-report", r#"["one","two","two","three"]"#),
    ("repeated-end", "repeated-end", "the state completed"),
    ("unanswered-end", "unanswered-end", "none after the lost answer"),
    ("heartbeats", "heartbeats", "a third of the lease"),
    ("no-heartbeats", "heartbeats", "the state completed"),
    ("missed-heartbeat", "missed-heartbeat", "the state completed"),
    ("lost-lease", "lost-lease", "nothing more for a lease"),
    ("lost-lease", "refused-report", "nothing more for a lease"),
    ("cancel", "cancel", "the state cancelled"),
    ("soft-timeout", "soft-timeout", "the state timed out"),
    ("drain", "drain", "at most 2 claims in a second"),
    ("shutdown", "shutdown", "the state available"),
    ("deaf", "shutdown", "a worker that exits after SIGTERM"),
    ("steps", "steps", r#"the result {"done":["c"]}"#),
];
/// The faults are tried by so many threads, which mostly wait.
const AT_ONCE: usize = 6;

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

fn told(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

fn passes(worker: &[&str], left_out: usize) {
    let output = conformance(&[], worker);
    let (lines, errors) = told(&output);
    assert!(output.status.success(), "{worker:?}\n{lines}\n{errors}");
    let count = |word: &str| lines.lines().filter(|line| line.starts_with(word)).count();
    assert_eq!((count("ok"), count("left out")), (scenarios() - left_out, left_out), "{worker:?}\n{lines}");
}

fn scenarios() -> usize {
    std::fs::read_dir(root().join("conformance/remote-worker")).unwrap().count()
}

#[test]
fn a_worker_in_sh_keeps_the_protocol() {
    passes(&["examples/remote-worker/worker.sh"], 1);
}

#[test]
fn a_worker_in_rust_keeps_the_protocol() {
    let example = crate::binary::tidemill().parent().unwrap().join("examples/remote_worker");
    passes(&[example.to_str().expect("a path that is text")], 1);
}

#[test]
fn each_fault_fails_by_the_name_of_its_scenario_and_without_one_all_pass() {
    let worker = "tests/tour/broken_worker.py";
    passes(&["python3", worker], 0);
    let tried: Vec<&str> = FAULTS.iter().map(|(_, scenario, _)| *scenario).collect();
    let listed = conformance(&["--list"], &[]);
    for name in told(&listed).0.lines().map(|line| line.split(' ').next().unwrap()) {
        assert!(tried.contains(&name), "no fault shows that {name} can fail");
    }
    thread::scope(|scope| {
        for first in 0..AT_ONCE {
            scope.spawn(move || {
                for (fault, scenario, came) in FAULTS.iter().skip(first).step_by(AT_ONCE) {
                    let output = conformance(&["--scenario", scenario], &["python3", worker, fault]);
                    let (lines, errors) = told(&output);
                    assert_eq!(output.status.code(), Some(1), "{fault}: {lines}{errors}");
                    assert!(lines.starts_with(&format!("FAILED   {scenario} ")), "{fault}: {lines}");
                    assert!(lines.contains(came), "{fault}: no {came:?} in {lines}");
                    assert!(errors.contains(&format!("failed: {scenario}")), "{fault}: {errors}");
                }
            });
        }
    });
}

#[test]
fn what_cannot_be_played_is_wrong_usage() {
    let unknown = conformance(&["--scenario", "nothing"], &["true"]);
    assert_eq!(unknown.status.code(), Some(2), "{unknown:?}");
    assert!(told(&unknown).1.contains("there are echo, failure"), "{unknown:?}");
    assert_eq!(conformance(&[], &["./no-such-worker"]).status.code(), Some(2));
    assert_eq!(conformance(&[], &[]).status.code(), Some(2));
}
