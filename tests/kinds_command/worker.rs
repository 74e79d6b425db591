//! Commands of a worker process that is killed.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;
use tidemill::Context;
use tidemill::worker::context::Attempt;
use tidemill::worker::handler::DynHandler;
use tidemill::worker::testing::outcome_of;

use crate::support::{STUBBORN, numbers, runs, shell, until};

/// What a test does in a worker process of its own, which it starts by `worker` below.
#[tokio::test]
#[ignore = "runs only inside a worker process that another test starts"]
async fn worker_process() {
    let Ok(command) = std::env::var("WORKER_PROCESS_COMMAND") else { return };
    let out = std::env::var("WORKER_PROCESS_OUT").unwrap();
    let (context, probe) = Context::for_test(Attempt::for_test("test", json!({})));
    let attempt = tokio::spawn(async move { outcome_of(shell(&command).run(context).await) });
    while !attempt.is_finished() {
        replace(&out, &probe.lines("stdout"));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    println!("{:?}", attempt.await.unwrap());
    until("the last line", || probe.lines("stdout").last().is_some_and(|line| line == "end")).await;
    replace(&out, &probe.lines("stdout"));
}

/// At once, so that no reader sees half of it.
fn replace(file: &str, lines: &[String]) {
    let new = format!("{file}.new");
    fs::write(&new, lines.join("\n")).unwrap();
    fs::rename(new, file).unwrap();
}

fn worker(script: &str, out: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "worker::worker_process", "--ignored", "--nocapture"])
        .env("WORKER_PROCESS_COMMAND", script)
        .env("WORKER_PROCESS_OUT", out)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

#[tokio::test]
async fn a_command_sees_none_of_the_worker_s_secrets() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let mut worker = worker("env; echo end", &out);
    worker.envs([("DATABASE_URL", "secret"), ("PGPASSWORD", "secret"), ("TIDEMILL_DATABASE_URL", "secret")]);
    assert!(worker.env("EDITOR", "kept").status().unwrap().success());
    let seen = fs::read_to_string(out).unwrap();
    assert!(seen.contains("EDITOR=kept") && seen.contains("TIDEMILL_JOB_ID="));
    assert!(!seen.contains("secret"), "{seen}");
}

#[tokio::test]
async fn nothing_outlives_a_worker_that_is_killed() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let mut worker = worker(STUBBORN, &out).spawn().unwrap();
    let pids = || {
        let text = fs::read_to_string(&out).unwrap_or_default();
        numbers(&text.lines().map(str::to_owned).collect::<Vec<_>>())
    };
    until("three processes", || pids().len() == 3).await;
    let pids = pids();
    assert!(pids.iter().all(|&pid| runs(pid)));
    let guards = children_of(i32::try_from(worker.id()).unwrap());
    worker.kill().unwrap();
    worker.wait().unwrap();
    until("all are dead", || !pids.iter().any(|&pid| runs(pid))).await;
    until("the guard is gone, too", || !guards.iter().any(|&pid| runs(pid))).await;
    assert_eq!(guards.len(), 2, "the command and the guard");
}

#[tokio::test]
async fn a_command_dies_with_its_worker_even_without_the_guard() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let mut worker = worker("echo pid $$; exec sleep 600", &out).spawn().unwrap();
    let pids = || {
        numbers(&fs::read_to_string(&out).unwrap_or_default().lines().map(str::to_owned).collect::<Vec<_>>())
    };
    until("the command", || !pids().is_empty()).await;
    let command = pids()[0];
    for guard in children_of(i32::try_from(worker.id()).unwrap()) {
        if guard != command {
            kill(Pid::from_raw(guard), Signal::SIGKILL).unwrap();
            until("the guard is dead", || !runs(guard)).await;
        }
    }
    assert!(runs(command));
    worker.kill().unwrap();
    worker.wait().unwrap();
    until("the command is dead", || !runs(command)).await;
}

fn children_of(parent: i32) -> Vec<i32> {
    let tasks = fs::read_dir(format!("/proc/{parent}/task")).unwrap();
    let children = tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("children")).ok());
    children
        .flat_map(|text| text.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>())
        .collect()
}
