//! The worker as a process that others start, signal, stop and kill: what becomes of its jobs, of the processes that its
//! commands left, and of the dead. The real program; what needs root or a cgroup says why it was passed over.

use std::cell::RefCell;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;
use tempfile::TempDir;
use tidemill::NewJob;
use tokio::time::Instant;

use crate::binary::tidemill;
use crate::support::{Db, job, wait_at_most, wait_for};

const LEASE: Duration = Duration::from_secs(4);

/// A worker as a process; killed with the test.
struct Worker {
    child: Child,
    folder: TempDir,
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Worker {
    /// Starts one whose command of the kind `k` is this script, by `before` if that is not empty.
    fn start(db: &Db, settings: &str, script: &str, before: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = format!(
            "[database]\nurl = {:?}\nmax_connections = 5\n[worker]\nname = 'supervised'\nlease_ttl = '4s'\nheartbeat = '500ms'\n{settings}\n\
             [keeper]\nsweep = '500ms'\n[kinds.k]\ncommand = ['sh', '-c', {}]\nmax_attempts = 1\n",
            db.options().url,
            json!(script),
        );
        fs::write(folder.path().join("tidemill.toml"), config).unwrap();
        let binary = tidemill();
        let words: Vec<&str> = before.iter().copied().chain([binary.to_str().unwrap(), "worker"]).collect();
        let log = fs::File::create(folder.path().join("log")).unwrap();
        let child = Command::new(words[0])
            .args(&words[1..])
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        Self { child, folder }
    }

    fn pid(&self) -> i32 {
        self.child.id().cast_signed()
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid()), signal).unwrap();
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    /// Waits for its end, which must be a good one.
    async fn ends_well(&mut self) {
        let child = RefCell::new(&mut self.child);
        let status = wait_for("the worker's end", || async { child.borrow_mut().try_wait().unwrap() }).await;
        assert!(status.success(), "{status}: {}", self.log());
    }

    /// The number of a process that the script wrote to this file.
    async fn noted(&self, file: &str) -> i32 {
        let path = self.folder.path().join(file);
        wait_for(file, || async { fs::read_to_string(&path).ok()?.trim().parse().ok() }).await
    }

    /// Its watch-shell, once there is one.
    async fn guard(&self) -> i32 {
        let ours = self.pid();
        let is_guard = |pid: &i32| {
            let words = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            runs(*pid) && field(*pid, 1) == Some(ours) && words.contains("tidemill-guard")
        };
        wait_for("the watch-shell", || async { processes().into_iter().find(is_guard) }).await
    }
}

fn processes() -> Vec<i32> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// A field of a process behind its name: 0 is its state, 1 its parent.
fn field(pid: i32, at: usize) -> Option<i32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(at)?.parse().ok()
}

fn state(pid: i32) -> Option<char> {
    fs::read_to_string(format!("/proc/{pid}/stat")).ok()?.rsplit_once(')')?.1.trim_start().chars().next()
}

fn runs(pid: i32) -> bool {
    state(pid).is_some_and(|state| !matches!(state, 'Z' | 'X'))
}

async fn gone(what: &str, pid: i32) {
    wait_for(&format!("the end of {what}"), || async { (!runs(pid)).then_some(()) }).await;
}

async fn until(db: &Db, id: uuid::Uuid, state: &str) {
    wait_for(&format!("the job is {state}"), || async { (db.state(id).await == state).then_some(()) }).await;
}

const SLEEPS: &str = "echo $$ > new; mv new command; exec sleep 1000";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_signal_that_ends_a_service_hands_its_jobs_back() {
    let db = Db::new().await;
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGQUIT] {
        let mut worker = Worker::start(&db, "shutdown_timeout = '0s'", SLEEPS, &[]);
        let id = db.enqueue(job("k")).await;
        let command = worker.noted("command").await;
        worker.signal(signal);
        worker.ends_well().await;
        let found = db.job(id).await;
        assert_eq!((found.state.word(), found.attempt), ("available", 0), "{signal}");
        gone("the command", command).await;
        db.execute("delete from jobs").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn signals_that_mean_nothing_or_are_ignored_end_nothing() {
    let db = Db::new().await;
    let script = ["sh", "-c", "trap '' HUP; exec \"$@\"", "sh"];
    let mut worker = Worker::start(&db, "shutdown_timeout = '0s'", SLEEPS, &script);
    let id = db.enqueue(job("k")).await;
    let command = worker.noted("command").await;
    for signal in [Signal::SIGHUP, Signal::SIGUSR1, Signal::SIGUSR2, Signal::SIGPIPE] {
        worker.signal(signal);
    }
    wait_for("the word of it", || async { worker.log().contains("SIGUSR2 is ignored").then_some(()) }).await;
    assert_eq!(db.state(id).await, "running");
    assert!(runs(command));
    worker.signal(Signal::SIGTERM);
    worker.ends_well().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signal_to_all_processes_of_a_service_costs_no_attempt() {
    let db = Db::new().await;
    for (signal, end) in
        [("TERM", None), ("TERM", Some(0)), ("INT", Some(0)), ("INT", Some(1)), ("HUP", Some(0))]
    {
        let trap = end.map_or_else(String::new, |code| format!("trap 'exit {code}' {signal}; "));
        let script = format!("{trap}echo $$ > new; mv new command; while :; do sleep 0.02; done");
        let mut worker = Worker::start(&db, "", &script, &[]);
        let id = db.enqueue(job("k")).await;
        let command = worker.noted("command").await;
        assert!(
            Command::new("kill")
                .args([&format!("-{signal}"), &command.to_string(), &worker.pid().to_string()])
                .status()
                .unwrap()
                .success()
        );
        worker.ends_well().await;
        let found = db.job(id).await;
        assert_eq!((found.state.word(), found.attempt), ("available", 0), "{signal}, {end:?}");
        db.execute("delete from jobs").await;
    }
}

/// In its own session, alone or without every mark of its job.
const LEAVES: &str = r#"
    setsid sh -c 'echo $$ > new1; mv new1 stray; exec sleep 1000' </dev/null >/dev/null 2>&1 3>&- &
    (setsid env -i PATH="$PATH" sh -c 'echo $$ > new2; mv new2 nameless; exec sleep 1000' </dev/null >/dev/null 2>&1 3>&- &)
    echo $$ > new; mv new command
    while [ ! -e stray ] || [ ! -e nameless ] || [ ! -e end ]; do sleep 0.02; done"#;

/// A worker with this containment; `None` where this machine cannot have it.
async fn contained(db: &Db, containment: &str) -> Option<Worker> {
    let mut worker = Worker::start(db, &format!("containment = '{containment}'"), LEAVES, &[]);
    let seen = format!("workers where state = 'running' and containment = '{containment}'");
    let child = RefCell::new(&mut worker.child);
    let started = wait_for("the worker's start", || async {
        let ended = child.borrow_mut().try_wait().unwrap();
        if ended.is_some() || db.count(&seen).await == 1 { Some(ended.is_none()) } else { None }
    })
    .await;
    if started {
        return Some(worker);
    }
    println!("passed over: no {containment} here: {}", worker.log());
    assert!(containment == "cgroup" && worker.log().contains("worker.containment"), "{}", worker.log());
    None
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_process_outlives_its_attempt_in_a_session_of_its_own() {
    for containment in ["reaper", "cgroup"] {
        let db = Db::new().await;
        let Some(mut worker) = contained(&db, containment).await else { continue };
        let findings = db.doctor().await.unwrap();
        let finding = findings.iter().find(|finding| finding.check == "containment").expect("doctor says it");
        assert_eq!(finding.details["containment"], containment);
        let id = db.enqueue(job("k")).await;
        let (stray, nameless) = (worker.noted("stray").await, worker.noted("nameless").await);
        assert!(runs(stray) && runs(nameless));
        fs::write(worker.folder.path().join("end"), "").unwrap();
        until(&db, id, "completed").await;
        gone("the process in its own session", stray).await;
        gone("the one that shows no origin", nameless).await;
        wait_for("that the dead are reaped", || async { (state(stray) != Some('Z')).then_some(()) }).await;
        worker.signal(Signal::SIGTERM);
        worker.ends_well().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_attempt_that_ends_takes_nothing_of_others_along() {
    let db = Db::new().await;
    let script = r#"read -r args
        n=$(echo "$args" | tr -dc 0-9)
        (setsid sh -c "echo \$\$ > new$n; mv new$n stray$n; exec sleep 1000" </dev/null >/dev/null 2>&1 3>&- &)
        while [ ! -e stray$n ] || [ ! -e end$n ]; do sleep 0.02; done"#;
    let worker = Worker::start(&db, "containment = 'reaper'", script, &[]);
    let mut pids = Vec::new();
    let mut jobs = Vec::new();
    for n in 1..=2 {
        jobs.push(db.enqueue(crate::support::numbered("k", n)).await);
        pids.push(worker.noted(&format!("stray{n}")).await);
    }
    fs::write(worker.folder.path().join("end1"), "").unwrap();
    until(&db, jobs[0], "completed").await;
    gone("the first one's", pids[0]).await;
    assert!(runs(pids[1]), "the other attempt still runs");
    assert_eq!(db.state(jobs[1]).await, "running");
    fs::write(worker.folder.path().join("end2"), "").unwrap();
    until(&db, jobs[1], "completed").await;
    gone("the second one's", pids[1]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_in_its_own_session_ends_with_a_worker_that_is_killed_and_its_watch_shell_is_replaced() {
    for containment in ["reaper", "cgroup"] {
        let db = Db::new().await;
        let Some(mut worker) = contained(&db, containment).await else { continue };
        db.enqueue(job("k")).await;
        let (stray, command) = (worker.noted("stray").await, worker.noted("command").await);
        let first = worker.guard().await;
        kill(Pid::from_raw(first), Signal::SIGKILL).unwrap();
        wait_for("another watch-shell", || async { (worker.guard().await != first).then_some(()) }).await;
        assert!(runs(stray) && runs(command), "its end is no reason to end anything");
        worker.child.kill().unwrap();
        worker.child.wait().unwrap();
        gone("the command", command).await;
        gone("what it left", stray).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_of_a_stopped_worker_ends_within_its_lease() {
    let db = Db::new().await;
    let settings = "containment = 'reaper'";
    let script = "(setsid sh -c 'echo $$ > new1; mv new1 stray; exec sleep 1000' &) ; echo $$ > new; mv new command; exec sleep 1000";
    let worker = Worker::start(&db, settings, script, &[]);
    let id = db.enqueue(NewJob { max_attempts: Some(3), ..job("k") }).await;
    let (command, stray) = (worker.noted("command").await, worker.noted("stray").await);
    let first = worker.guard().await;
    let stopped_at = Instant::now();
    worker.signal(Signal::SIGSTOP);
    let left = || async { (!runs(command) && !runs(stray)).then_some(()) };
    wait_at_most(LEASE, "the end of the stopped worker's command", left).await;
    assert!(stopped_at.elapsed() < LEASE, "{:?}", stopped_at.elapsed());
    worker.signal(Signal::SIGCONT);
    // It goes on: nothing of the first attempt counts, and the next is watched as well.
    fs::remove_file(worker.folder.path().join("command")).unwrap();
    let second = worker.noted("command").await;
    assert_ne!(worker.guard().await, first);
    assert!(runs(second));
    assert_eq!(db.state(id).await, "running");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_process_of_a_container_leaves_no_zombies() {
    let alone = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"];
    let tried = Command::new(alone[0]).args(&alone[1..]).arg("true").stderr(Stdio::null()).status();
    if !tried.is_ok_and(|status| status.success()) {
        return println!("passed over: no namespace of processes can be made here");
    }
    let db = Db::new().await;
    let worker = Worker::start(&db, "containment = 'group'", "(sleep 0.1 &); exit 0", &alone);
    for _ in 0..20 {
        db.enqueue(job("k")).await;
    }
    let done = || async { (db.count("jobs where state = 'completed'").await == 20).then_some(()) };
    wait_for("the jobs", done).await;
    let first = wait_for("the first process", || async {
        processes().into_iter().find(|pid| field(*pid, 1) == Some(worker.pid()))
    })
    .await;
    assert!(Path::new(&format!("/proc/{first}")).exists());
    let dead = || {
        processes()
            .into_iter()
            .filter(|pid| field(*pid, 1) == Some(first) && state(*pid) == Some('Z'))
            .count()
    };
    wait_for("that all dead are reaped", || async { (dead() == 0).then_some(()) }).await;
    assert!(runs(first), "{}", worker.log());
}
