//! Limits of a command, and what it used.

use std::fs;
use std::time::Duration;

use nix::unistd::geteuid;
use tidemill::kinds::command::{CommandSpec, ProcessLimits};

use crate::support::{exists, numbers, python, run, shell};

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
