//! What a command is given and what it says: args, lines, the channel, files.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::json;
use tidemill::Context;
use tidemill::job::attempt::{Failure, Outcome};
use tidemill::kinds::command::CommandSpec;
use tidemill::worker::context::Attempt;
use tidemill::worker::handler::DynHandler;

use crate::support::{DEADLINE, in_time, numbers, python, run, run_with, shell, until};

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
        "is not a content type",
    ];
    assert_eq!(said.len(), why.len() + 2, "{said:#?}");
    for (line, why) in said.iter().zip(why) {
        assert!(line.starts_with("file not kept: ") && line.contains(why), "{why}: {line}");
    }
    assert!(said[10..].iter().all(|line| line.starts_with("line not understood: ")), "{said:#?}");
}
