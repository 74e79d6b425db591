//! Command kinds against real processes: what they are given, what they say, and how they end.
//! Every test has a deadline; none takes a pause for a proof.

use std::fs;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, geteuid};
use serde_json::{Value, json};
use tidemill::Context;
use tidemill::job::attempt::{Failure, Outcome, StopReason, Usage};
use tidemill::kinds::command::containment::{ContainmentChoice, choose};
use tidemill::kinds::command::{CommandSpec, ProcessLimits};
use tidemill::worker::context::Attempt;
use tidemill::worker::handler::DynHandler;
use tidemill::worker::testing::{TestProbe, outcome_of};

const DEADLINE: Duration = Duration::from_mins(1);

struct Run {
    outcome: Outcome,
    usage: Usage,
    probe: TestProbe,
}

impl Run {
    fn result(&self) -> Option<Value> {
        match &self.outcome {
            Outcome::Completed { result } => result.clone(),
            other => panic!("not completed: {other:?}"),
        }
    }

    fn failure(&self) -> &Failure {
        match &self.outcome {
            Outcome::Failed { failure } => failure,
            other => panic!("not failed: {other:?}"),
        }
    }
}

async fn in_time<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, work).await.expect("the deadline passed")
}

async fn run_with(spec: CommandSpec, attempt: Attempt) -> Run {
    let (context, mut probe) = Context::for_test(attempt);
    let last = context.clone();
    let (outcome, usage) = outcome_of(in_time(spec.run(context)).await);
    last.event("end_of_test", json!({})).await;
    in_time(probe.wait_for(|event| event.kind == "end_of_test")).await;
    Run { outcome, usage, probe }
}

async fn run(spec: CommandSpec) -> Run {
    run_with(spec, Attempt::for_test("test", json!({ "n": 3 }))).await
}

fn shell(script: &str) -> CommandSpec {
    CommandSpec::new(["sh", "-c", script])
}

fn python(script: &str) -> CommandSpec {
    CommandSpec::new(["python3", "-c", script])
}

/// Waits until `fact` holds.
async fn until(what: &str, fact: impl Fn() -> bool) {
    let start = Instant::now();
    while !fact() {
        assert!(start.elapsed() < DEADLINE, "in vain: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// True while `pid` runs; a zombie that its new parent has not reaped yet does not.
fn runs(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z') && !rest.starts_with('X'))
}

fn exists(pid: i32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

fn numbers(lines: &[String]) -> Vec<i32> {
    lines.iter().filter_map(|line| line.rsplit(' ').next()?.parse().ok()).collect()
}

#[tokio::test]
async fn args_come_in_and_the_result_goes_out() {
    let run = run(python(
        "import json, os, sys
args = json.load(sys.stdin)
print('hello from', os.environ['TIDEMILL_KIND'], 'attempt', os.environ['TIDEMILL_ATTEMPT'])
os.write(3, (json.dumps({'result': {'echo': args}}) + '\\n').encode())",
    ))
    .await;
    assert_eq!(run.result(), Some(json!({ "echo": { "n": 3 } })));
    assert_eq!(run.probe.lines("stdout"), ["hello from test attempt 1"]);
    assert_eq!((run.usage.exit_code, run.usage.signal, run.usage.out_of_memory), (Some(0), None, false));
}

#[tokio::test]
async fn a_command_that_says_nothing_completes() {
    assert_eq!(run(CommandSpec::new(["true"])).await.result(), None);
}

#[tokio::test]
async fn streams_are_logged_as_they_come() {
    let (context, mut probe) = Context::for_test(Attempt::for_test("test", json!({})));
    let spec = shell(
        "echo out; echo err >&2; printf '%s\\n' '{\"progress\":{\"percent\":30,\"step\":\"half\"}}' >&3; read -r line; exec sleep 600",
    );
    let attempt = tokio::spawn(async move { spec.run(context).await });
    for stream in ["stdout", "stderr"] {
        in_time(probe.wait_for(|event| event.data["stream"] == stream)).await;
    }
    let progress = in_time(probe.wait_for(|event| event.kind == "progress")).await;
    assert_eq!(progress.data, json!({ "percent": 30.0, "step": "half" }));
    assert!(!attempt.is_finished(), "all that came while it runs");
    attempt.abort();
}

#[tokio::test]
async fn m9_lines_are_kept_whatever_is_in_them() {
    let run = run(shell(r"printf 'a\000b\377\n\n10%%\r20%%\r\n\033[31mred\033[0m\nlast'")).await;
    let expected = ["a\\u0000b\u{fffd}", "", "10%", "20%", "\u{1b}[31mred\u{1b}[0m", "last"];
    assert_eq!(run.probe.lines("stdout"), expected);
}

#[tokio::test]
async fn m9_five_megabytes_of_output_arrive_in_order() {
    let run = run(python(
        "import sys
for i in range(50000):
    sys.stdout.write(f'{i:05} ' + 'x' * 94 + '\\n')
    if i % 10 == 0: sys.stderr.write(f'{i}\\n')",
    ))
    .await;
    let lines = run.probe.lines("stdout");
    assert_eq!(lines.len(), 50_000);
    assert!(
        lines.iter().enumerate().all(|(i, line)| line.len() == 100 && line.starts_with(&format!("{i:05} ")))
    );
    assert_eq!(run.probe.lines("stderr").len(), 5_000);
}

#[tokio::test]
async fn m9_a_line_of_a_hundred_megabytes_is_cut() {
    let run = run(shell("head -c 100000000 /dev/zero | tr '\\0' x; echo; echo after")).await;
    let lines = run.probe.lines("stdout");
    assert_eq!((lines.len(), lines[1].as_str()), (2, "after"));
    assert!(lines[0].ends_with("x… [truncated, 100000000 bytes in all]"));
    assert!(lines[0].len() < 66_000);
}

#[tokio::test]
async fn slow_storage_holds_the_command_back() {
    let dir = tempfile::tempdir().unwrap();
    let done = dir.path().join("done");
    let script = format!(
        "import os
print('pid', os.getpid(), flush=True)
for i in range(20000): print('line', i)
open('{}', 'w')",
        done.display()
    );
    let (context, mut probe) = Context::for_test(Attempt::for_test("test", json!({})));
    let attempt = tokio::spawn(async move { python(&script).run(context).await });
    let line = in_time(probe.wait_for(|event| event.data["stream"] == "stdout")).await;
    probe.hold(true);
    let pid = numbers(&[line.data["line"].as_str().unwrap().to_owned()])[0];
    let writes = || {
        let call = fs::read_to_string(format!("/proc/{pid}/syscall")).unwrap_or_default();
        call.starts_with(&format!("{} 0x1 ", nix::libc::SYS_write))
    };
    // Blocked in a write to its standard output, many times in a row.
    let mut blocked = 0;
    let start = Instant::now();
    while blocked < 50 {
        assert!(start.elapsed() < DEADLINE, "the command was never held back");
        blocked = if writes() { blocked + 1 } else { 0 };
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    assert!(!done.exists());
    probe.hold(false);
    in_time(attempt).await.unwrap().unwrap();
    assert!(done.exists());
    until("all lines", || probe.lines("stdout").len() == 20_001).await;
}

#[tokio::test]
async fn args_that_nobody_reads_do_no_harm() {
    let large = json!({ "text": "x".repeat(1024 * 1024) });
    for script in ["echo fine", "exec 0<&-; echo fine; sleep 0.2", "head -c 10 >/dev/null; echo fine"] {
        let run = run_with(shell(script), Attempt::for_test("test", large.clone())).await;
        assert_eq!((run.result(), run.probe.lines("stdout")), (None, vec!["fine".to_owned()]), "{script}");
    }
    let count =
        "import json, os, sys; n = len(json.load(sys.stdin)['text']); os.write(3, b'{\"result\":%d}' % n)";
    let run = run_with(python(count), Attempt::for_test("test", large)).await;
    assert_eq!(run.result(), Some(json!(1024 * 1024)));
}

#[tokio::test]
async fn the_channel_understands_all_its_words() {
    let event = r#"echo '{"event":{"type":"stored","data":{"bytes":5}}}' >&3; echo '{"log":"said"}' >&3; echo nonsense >&3"#;
    let ran = run(shell(event)).await;
    assert_eq!(ran.result(), None);
    assert!(
        ran.probe.events().iter().any(|event| event.kind == "stored" && event.data == json!({ "bytes": 5 }))
    );
    assert_eq!(ran.probe.lines("log"), ["said"]);
    assert!(
        ran.probe.lines("fd3")[0].starts_with("line not understood") && ran.probe.lines("fd3").len() == 1
    );

    let named =
        r#"echo '{"error":{"message":"no such customer","type":"missing","permanent":true}}' >&3; exit 1"#;
    let ran = run(shell(named)).await;
    let failure = Failure {
        message: "no such customer".into(),
        class: "missing".into(),
        permanent: true,
        ..Failure::default()
    };
    assert_eq!((ran.failure(), ran.usage.exit_code), (&failure, Some(1)));

    let ran = run(shell(r#"echo '{"snooze":"30s"}' >&3"#)).await;
    assert_eq!(ran.outcome, Outcome::Snoozed { delay: Duration::from_secs(30) });

    let ran = run(shell(r#"echo '{"result":1}' >&3; exit 4"#)).await;
    assert_eq!(ran.failure().class, "exit_code", "a result does not heal a bad exit");

    let large = "import os; os.write(3, b'{\"result\":\"'); [os.write(3, b'x' * 65536) for _ in range(64)]; os.write(3, b'\"}')";
    let ran = run(python(large)).await;
    assert_eq!((ran.failure().class.as_str(), ran.failure().permanent), ("result_too_large", true));
}

#[tokio::test]
async fn a_file_that_cannot_be_kept_is_said_and_fails_nothing() {
    let (outside, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let script = r#"
        printf secret > "$1/secret"; ln -s "$1" away; ln -s "$1/secret" link; mkfifo pipe; mkdir out
        printf hello > out/report.txt
        for path in out/report.txt ./out/report.txt "$1/secret" ../x out/../../x away/secret link pipe out none; do
            echo "{\"keep\":{\"path\":\"$path\"}}" >&3
        done
        echo '{"keep":{"path":"out/report.txt","name":"a/b"}}' >&3
        echo '{"keep":{"path":"out/report.txt","content_type":"nonsense"}}' >&3
        echo '{"keep":{"path":"out/report.txt","size":1}}' >&3
        echo '{"keep":"out/report.txt"}' >&3
        echo '{"result":"whole"}' >&3"#;
    let outside = outside.path().to_str().unwrap();
    let spec = CommandSpec {
        working_dir: Some(folder.path().to_owned()),
        ..CommandSpec::new(["sh", "-c", script, "sh", outside])
    };
    let ran = run(spec).await;
    assert_eq!(ran.result(), Some(json!("whole")));
    let said = ran.probe.lines("fd3");
    let why = [
        "leads out of",
        "leads out of",
        "leads out of",
        "symbolic link",
        "symbolic link",
        "not a regular file",
        "not a regular file",
        "there is no file",
        "cannot be called",
        "is no content type",
    ];
    assert_eq!(said.len(), why.len() + 2, "{said:#?}");
    for (line, why) in said.iter().zip(why) {
        assert!(line.starts_with("file not kept: ") && line.contains(why), "{why}: {line}");
    }
    assert!(said[10..].iter().all(|line| line.starts_with("line not understood: ")), "{said:#?}");
}

#[tokio::test]
async fn exit_codes_and_signals_are_told() {
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

/// A tree of processes that SIGTERM does not end; each prints its number, and the innermost says
/// when it has heard one.
const STUBBORN: &str = r#"trap '' TERM
python3 -c '
import os, signal, time
if os.fork() == 0:
    signal.signal(signal.SIGTERM, lambda *_: print("heard", flush=True))
print("pid", os.getpid(), flush=True)
while True: time.sleep(600)
' &
echo pid $$
while :; do sleep 600; done"#;

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
    let script = "sh -c 'trap \"echo child bye; exit 0\" TERM; echo ready; while :; do sleep 0.05; done' &
        trap 'wait; echo bye; exit 0' TERM; while :; do sleep 0.05; done";
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

#[tokio::test]
async fn each_limit_bites() {
    let limited = |spec: CommandSpec, limits: ProcessLimits| run(CommandSpec { limits, ..spec });
    let dir = tempfile::tempdir().unwrap();

    let memory = ProcessLimits { memory_bytes: Some(256 << 20), ..ProcessLimits::default() };
    let ran = limited(python("x = bytearray(1 << 30)"), memory.clone()).await;
    assert_eq!((ran.failure().class.as_str(), ran.usage.out_of_memory), ("out_of_memory", true));
    assert!(ran.failure().message.contains("268435456 bytes"), "{:?}", ran.failure());
    let ran = limited(python("x = bytearray(64 << 20)"), memory).await;
    assert!(ran.result().is_none() && !ran.usage.out_of_memory);

    let cpu = ProcessLimits { cpu: Some(Duration::from_secs(1)), ..ProcessLimits::default() };
    let ran = limited(shell("while :; do :; done"), cpu).await;
    assert_eq!((ran.usage.signal, ran.usage.out_of_memory), (Some(24), false));
    assert!(ran.failure().message.contains("CPU limit of 1s"));

    let files = ProcessLimits { open_files: Some(16), ..ProcessLimits::default() };
    let ran = limited(python("x = [open('/dev/null') for _ in range(20)]"), files).await;
    assert!(ran.failure().message.contains("Too many open files"));

    let size = ProcessLimits { file_size_bytes: Some(1 << 20), ..ProcessLimits::default() };
    let out = dir.path().join("out");
    let dd = CommandSpec::new([
        "dd".into(),
        "if=/dev/zero".into(),
        format!("of={}", out.display()),
        "bs=65536".into(),
        "count=100".into(),
    ]);
    let ran = limited(dd, size).await;
    assert_eq!((ran.usage.signal, fs::metadata(out).unwrap().len()), (Some(25), 1 << 20));

    // The kernel holds nobody to it who runs as root.
    let processes = ProcessLimits { processes: Some(5), ..ProcessLimits::default() };
    let fork = "for i in 1 2 3 4 5 6 7 8; do sleep 5 & done";
    let spec = if geteuid().is_root() {
        CommandSpec::new(["setpriv", "--reuid=61234", "--regid=61234", "--clear-groups", "sh", "-c", fork])
    } else {
        shell(fork)
    };
    assert!(limited(spec, processes).await.failure().message.to_lowercase().contains("fork"));
}

#[tokio::test]
async fn peak_memory_is_that_of_the_command_and_its_children() {
    let ran = run(python("x = bytearray(b'x' * (200 << 20))")).await;
    let peak = ran.usage.peak_memory_bytes.unwrap() >> 20;
    assert!((200..700).contains(&peak), "{peak} MiB");
    let ran = run(shell("python3 -c \"x = bytearray(b'x' * (150 << 20))\"; true")).await;
    let peak = ran.usage.peak_memory_bytes.unwrap() >> 20;
    assert!((150..600).contains(&peak), "{peak} MiB");
}

#[tokio::test]
async fn a_hundred_commands_leave_nothing_behind() {
    let runs = (0..100).map(|i| run(shell(&format!("echo pid $$; exit {}", i % 2))));
    let ran = futures_util::future::join_all(runs).await;
    assert_eq!(ran.iter().filter(|run| run.usage.exit_code == Some(0)).count(), 50);
    let pids: Vec<_> = ran.iter().flat_map(|run| numbers(&run.probe.lines("stdout"))).collect();
    assert_eq!(pids.len(), 100);
    assert!(!pids.iter().any(|&pid| exists(pid)));
}

fn example(name: &str) -> CommandSpec {
    CommandSpec::new(["python3".into(), format!("{}/examples/kinds/{name}", env!("CARGO_MANIFEST_DIR"))])
}

fn percents(probe: &TestProbe) -> Vec<f64> {
    let events = probe.events();
    events
        .iter()
        .filter(|event| event.kind == "progress")
        .filter_map(|event| event.data["percent"].as_f64())
        .collect()
}

#[tokio::test]
async fn the_example_that_counts_works_as_printed() {
    let attempt = Attempt::for_test("count-slowly", json!({ "n": 4, "pause": 0.01 }));
    let ran = run_with(example("count_slowly.py"), attempt).await;
    assert_eq!(ran.result(), Some(json!({ "counted": 4 })));
    assert_eq!(percents(&ran.probe), [25.0, 50.0, 75.0, 100.0]);
    assert_eq!(ran.probe.lines("stdout"), ["1", "2", "3", "4"]);
}

#[tokio::test]
async fn the_example_that_builds_a_crate_works_as_printed() {
    let ran = run_with(example("build_crate.py"), Attempt::for_test("build-crate", json!({}))).await;
    let result = ran.result().unwrap();
    assert_eq!(result["units"], 17);
    assert!(
        result["binary_bytes"].as_u64().unwrap() > 100_000 && result["build_seconds"].as_f64().unwrap() > 0.5
    );
    let compiled = ran.probe.lines("stderr").iter().filter(|line| line.contains("Compiling")).count();
    assert_eq!(compiled, 14, "every run builds all packages");
    let percents = percents(&ran.probe);
    assert!(percents.is_sorted() && percents.len() == 19 && percents[18] > 99.9, "{percents:?}");
}

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
        .args(["--exact", "worker_process", "--ignored", "--nocapture"])
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
