//! How a command ends: exit codes, signals, stops, and what outlives it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;
use tidemill::Context;
use tidemill::job::attempt::{Outcome, StopReason};
use tidemill::kinds::command::CommandSpec;
use tidemill::kinds::command::containment::{ContainmentChoice, choose};
use tidemill::worker::context::Attempt;
use tidemill::worker::handler::DynHandler;
use tidemill::worker::testing::{TestProbe, outcome_of};

use crate::support::{DEADLINE, STUBBORN, exists, in_time, numbers, run, runs, shell, until};

#[tokio::test]
async fn exit_codes_and_signals_are_reported() {
    let ran = run(shell("echo 'first' >&2; echo 'disk is full' >&2; exit 3")).await;
    let failure = ran.failure();
    assert_eq!((failure.class.as_str(), failure.permanent), ("exit_code", false));
    assert!(
        failure.message.contains("code 3") && failure.message.ends_with("first\ndisk is full"),
        "{failure:?}"
    );
    assert_eq!(ran.usage.exit_code, Some(3));

    let spec = CommandSpec { permanent_exit_codes: vec![65], ..shell("exit 65") };
    assert!(run(spec).await.failure().permanent);

    let ran = run(shell("kill -KILL $$")).await;
    assert_eq!(
        (ran.failure().class.as_str(), ran.usage.signal, ran.usage.exit_code),
        ("signal", Some(9), None)
    );
    assert!(ran.failure().message.contains("SIGKILL") && !ran.usage.out_of_memory);
}

#[tokio::test]
async fn what_cannot_be_started_says_why() {
    let ran = run(CommandSpec::new(["no-such-program-here"])).await;
    assert_eq!((ran.failure().class.as_str(), ran.failure().permanent), ("spawn", false));
    assert!(ran.failure().message.contains("no such program"), "{:?}", ran.failure());
    let spec = CommandSpec { working_dir: Some(PathBuf::from("/no/such/dir")), ..CommandSpec::new(["true"]) };
    assert!(run(spec).await.failure().message.contains("/no/such/dir does not exist"));
    let ran = run(CommandSpec::new(["/etc/passwd"])).await;
    assert!(ran.failure().message.contains("executable"), "{:?}", ran.failure());
    assert_eq!(run(CommandSpec::default()).await.failure().class, "spawn");
}

#[tokio::test]
async fn it_runs_where_the_config_says_and_owns_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let spec = CommandSpec {
        working_dir: Some(dir.path().into()),
        ..shell("pwd; ls /proc/self/fd; ps -o sid= -p $$; echo $$")
    };
    let lines = run(spec).await.probe.lines("stdout");
    assert_eq!(Path::new(&lines[0]), dir.path().canonicalize().unwrap());
    // 4 is the folder that `ls` itself reads.
    assert_eq!(lines[1..6], ["0", "1", "2", "3", "4"]);
    assert_eq!(lines[6].trim(), lines[7], "it leads a session of its own");
}

async fn stubborn() -> (tokio::task::JoinHandle<()>, TestProbe, Vec<i32>) {
    let (context, probe) = Context::for_test(Attempt::for_test("test", json!({})));
    let attempt = tokio::spawn(async move {
        let _ = shell(STUBBORN).run(context).await;
    });
    let start = Instant::now();
    while numbers(&probe.lines("stdout")).len() != 3 {
        assert!(start.elapsed() < DEADLINE, "not three processes: {:?}", probe.events());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let pids = numbers(&probe.lines("stdout"));
    assert!(pids.iter().all(|&pid| runs(pid)));
    (attempt, probe, pids)
}

#[tokio::test]
async fn dropping_the_attempt_kills_the_whole_tree_and_leaves_no_zombie() {
    let (attempt, probe, pids) = stubborn().await;
    probe.stop(StopReason::Cancelled);
    until("one has heard SIGTERM", || probe.lines("stdout").contains(&"heard".to_owned())).await;
    assert!(pids.iter().all(|&pid| runs(pid)), "they do not heed SIGTERM");
    let leader = pids.iter().copied().find(|&pid| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        stat.rsplit_once(") ").unwrap().1.split(' ').nth(1) == Some(&std::process::id().to_string())
    });
    attempt.abort();
    until("all are dead", || !pids.iter().any(|&pid| runs(pid))).await;
    until("the leader is reaped", || !exists(leader.expect("one is our child"))).await;
}

#[tokio::test]
async fn a_stop_is_a_sigterm_to_the_whole_group() {
    // The parent is ready before it starts the child that says so.
    let script = "trap 'wait; echo bye; exit 0' TERM;
        sh -c 'trap \"echo child bye; exit 0\" TERM; echo ready; while :; do sleep 0.05; done' &
        while :; do sleep 0.05; done";
    let (context, mut probe) = Context::for_test(Attempt::for_test("test", json!({})));
    let attempt = tokio::spawn(async move { shell(script).run(context).await });
    in_time(probe.wait_for(|event| event.data["line"] == "ready")).await;
    probe.stop(StopReason::SoftTimeout);
    let ended = in_time(attempt).await.unwrap().unwrap();
    assert_eq!((ended.result, ended.reported_done), (None, false), "it only stopped");
    until("both said good-bye", || probe.lines("stdout").len() == 3).await;
    let mut lines = probe.lines("stdout");
    lines.sort();
    assert_eq!(lines, ["bye", "child bye", "ready"]);

    let (context, probe) = Context::for_test(Attempt::for_test("test", json!({})));
    probe.stop(StopReason::Shutdown);
    let (outcome, usage) = outcome_of(in_time(CommandSpec::new(["sleep", "600"]).run(context)).await);
    assert_eq!(usage.signal, Some(15));
    assert!(matches!(outcome, Outcome::Failed { failure } if failure.message.contains("SIGTERM")));
}

#[tokio::test]
async fn a_stopped_process_is_woken_to_end() {
    let (context, mut probe) = Context::for_test(Attempt::for_test("test", json!({})));
    let attempt =
        tokio::spawn(async move { shell("echo pid $$; kill -STOP $$; sleep 600").run(context).await });
    let line = in_time(probe.wait_for(|event| event.kind == "log")).await;
    let pid = numbers(&[line.data["line"].as_str().unwrap().to_owned()])[0];
    let stopped = || fs::read_to_string(format!("/proc/{pid}/stat")).unwrap().contains(") T ");
    until("it is stopped", stopped).await;
    probe.stop(StopReason::Cancelled);
    let (_, usage) = outcome_of(in_time(attempt).await.unwrap());
    assert_eq!(usage.signal, Some(15));
}

#[tokio::test]
async fn what_outlives_the_command_does_not_hold_the_attempt() {
    let start = Instant::now();
    let ran = run(shell("sh -c 'trap \"\" TERM; echo pid $$; exec sleep 600' & sleep 0.2; echo done")).await;
    assert_eq!(ran.result(), None);
    assert!(start.elapsed() < Duration::from_secs(10));
    let pids = numbers(&ran.probe.lines("stdout"));
    until("the leftover is dead", || !runs(pids[0])).await;

    let ran = run(shell("sh -c 'sleep 0.3; echo late' & exit 0")).await;
    assert_eq!(ran.probe.lines("stdout"), ["late"], "what comes soon after the end is still heard");

    let start = Instant::now();
    let ran = run(shell("setsid sh -c 'echo pid $$; exec sleep 600' & sleep 0.2; echo done")).await;
    assert!(start.elapsed() < Duration::from_secs(10), "not even one that left the group");
    assert!(ran.probe.lines("stdout").contains(&"done".to_owned()));
    let stray = numbers(&ran.probe.lines("stdout"))[0];
    match choose(ContainmentChoice::Cgroup) {
        Ok(_) => until("what left the group is dead, too", || !runs(stray)).await,
        Err(error) => {
            println!("passed over: no cgroup can be made here: {error}");
            kill(Pid::from_raw(stray), Signal::SIGKILL).unwrap();
        }
    }
}
