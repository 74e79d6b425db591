//! A stop is no success: what ends after it was asked to, and brings nothing, is handed back, cancelled or timed out. Commands
//! are real processes.

use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tidemill::kinds::command::CommandSpec;
use tidemill::{Context, KindSettings, NewJob};
use uuid::Uuid;

use super::until_state;
use crate::support::{Db, Mill, MillBuilder, job, ok, wait_for};

const SOFT: Duration = Duration::from_secs(1);

/// What asks for the stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stop {
    Cancel,
    SoftTimeout,
    Shutdown,
}

const STOPS: [Stop; 3] = [Stop::Cancel, Stop::SoftTimeout, Stop::Shutdown];

/// How a job stands after its only attempt was stopped.
#[derive(Debug, PartialEq, Eq)]
struct FinalState {
    state: &'static str,
    attempt: i32,
    result: Option<Value>,
    class: Option<String>,
}

impl FinalState {
    fn stopped(stop: Stop) -> Self {
        let (state, attempt, class) = match stop {
            Stop::Cancel => ("cancelled", 1, None),
            Stop::SoftTimeout => ("failed", 1, Some("timeout".to_owned())),
            Stop::Shutdown => ("available", 0, None),
        };
        Self { state, attempt, result: None, class }
    }

    fn completed(result: Value) -> Self {
        let result = (!result.is_null()).then_some(result);
        Self { state: "completed", attempt: 1, result, class: None }
    }

    async fn of(db: &Db, id: Uuid) -> Self {
        let job = db.job(id).await;
        let class = job.error.and_then(|error| error["type"].as_str().map(str::to_owned));
        Self { state: job.state.word(), attempt: job.attempt, result: job.result, class }
    }
}

/// A command that says when it is ready, and does this at SIGTERM.
fn at_sigterm(answer: &str) -> CommandSpec {
    CommandSpec::new(["sh", "-c", &format!("trap '{answer}' TERM; {READY}; while :; do sleep 0.02; done")])
}

/// What a script at a signal does to say this line.
fn says(line: &str) -> String {
    format!("echo \"{}\" >&3", line.replace('"', "\\\""))
}

const READY: &str = r#"echo "{\"event\":{\"type\":\"ready\",\"data\":$$}}" >&3"#;

/// The number of the command's process, once it is ready.
async fn ready(db: &Db, id: Uuid) -> Pid {
    let pid = wait_for("the command is ready", || async {
        let of_job = format!(
            "select max((data ->> 'value')::integer) from events where job_id = '{id}' and type = 'ready'"
        );
        db.scalar::<Option<i32>>(of_job).await
    })
    .await;
    Pid::from_raw(pid)
}

/// Runs the only attempt of a job of kind `k`, stops it, and answers how the job stands.
async fn stopped(db: &Db, builder: MillBuilder, stop: Stop) -> FinalState {
    let mill = builder.settings(|settings| settings.shutdown_timeout = Duration::ZERO).start();
    let soft_timeout = (stop == Stop::SoftTimeout).then_some(SOFT);
    let id = db.enqueue(NewJob { max_attempts: Some(1), soft_timeout, ..job("k") }).await;
    ready(db, id).await;
    match stop {
        Stop::Cancel => drop(db.cancel(id, None, "me").await.unwrap()),
        Stop::SoftTimeout => {}
        Stop::Shutdown => mill.shutdown.graceful.cancel(),
    }
    wait_for("the attempt's end", || async { (db.state(id).await != "running").then_some(()) }).await;
    let final_state = FinalState::of(db, id).await;
    mill.stop().await;
    final_state
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_that_only_stops_when_asked_is_not_completed() {
    let db = Db::new().await;
    for stop in STOPS {
        for answer in ["exit 0", "exit 143", "exit 3", "trap - TERM; kill $$"] {
            let builder = Mill::builder(&db).kind("k", KindSettings::default(), at_sigterm(answer));
            assert_eq!(stopped(&db, builder, stop).await, FinalState::stopped(stop), "{stop:?}, {answer}");
            db.execute("delete from jobs").await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_that_says_its_result_is_completed_whatever_asked_it_to_stop() {
    let db = Db::new().await;
    for stop in STOPS {
        for (end, result) in
            [("exit 0", json!(7)), ("exit 0", Value::Null), ("exit 143", json!({ "rows": 1 }))]
        {
            let answer = format!("{}; {end}", says(&json!({ "result": result }).to_string()));
            let builder = Mill::builder(&db).kind("k", KindSettings::default(), at_sigterm(&answer));
            let expected = FinalState::completed(result);
            assert_eq!(stopped(&db, builder, stop).await, expected, "{stop:?}, {answer}");
            db.execute("delete from jobs").await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_stopped_command_remembered_is_there_when_it_goes_on() {
    let db = Db::new().await;
    let script = r#"[ -n "$TIDEMILL_STEPS" ] && { echo "{\"result\":$TIDEMILL_STEPS}" >&3; exit 0; }
        echo '{"step":{"name":"half","output":1}}' >&3; exec "#
        .to_owned()
        + "sh -c '"
        + &at_sigterm("exit 0").command[2].replace('\'', r"'\''")
        + "'";
    let spec = CommandSpec::new(["sh", "-c", &script]);
    let builder = Mill::builder(&db).kind("k", KindSettings::default(), spec.clone());
    assert_eq!(stopped(&db, builder, Stop::Shutdown).await, FinalState::stopped(Stop::Shutdown));
    let mill = Mill::builder(&db).kind("k", KindSettings::default(), spec).start();
    wait_for("its end", || async { (db.count("jobs where state = 'completed'").await == 1).then_some(()) })
        .await;
    let result: Value = db.scalar("select result from jobs").await;
    assert_eq!(result, json!({ "half": 1 }));
    mill.stop().await;
}

/// Ends when it is asked to stop, with this.
fn heeds(builder: MillBuilder, result: Value) -> MillBuilder {
    builder.handler_with("k", KindSettings::default(), move |context: Context| {
        let result = result.clone();
        async move {
            context.event("ready", json!(0)).await;
            context.stopped().await;
            ok((!result.is_null()).then_some(result))
        }
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rust_handler_that_heard_of_a_stop_and_brings_nothing_has_stopped() {
    let db = Db::new().await;
    for stop in STOPS {
        assert_eq!(
            stopped(&db, heeds(Mill::builder(&db), Value::Null), stop).await,
            FinalState::stopped(stop),
            "{stop:?}"
        );
        db.execute("delete from jobs").await;
        let brings = heeds(Mill::builder(&db), json!("all"));
        assert_eq!(stopped(&db, brings, stop).await, FinalState::completed(json!("all")), "{stop:?}");
        db.execute("delete from jobs").await;
        // It never asked, so nothing can have stopped it.
        let deaf =
            Mill::builder(&db).handler_with("k", KindSettings::default(), |context: Context| async move {
                context.event("ready", json!(0)).await;
                tokio::time::sleep(SOFT + Duration::from_millis(500)).await;
                ok(None)
            });
        assert_eq!(stopped(&db, deaf, stop).await, FinalState::completed(Value::Null), "{stop:?}");
        db.execute("delete from jobs").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handler_that_completed_its_job_itself_is_done_after_a_stop() {
    let db = Db::new().await;
    let pool = db.pool().clone();
    let builder = Mill::builder(&db).handler_with("k", KindSettings::default(), move |context: Context| {
        let pool = pool.clone();
        async move {
            context.event("ready", json!(0)).await;
            context.stopped().await;
            context.complete_in(&pool, &()).await?;
            ok(None)
        }
    });
    assert_eq!(stopped(&db, builder, Stop::Shutdown).await, FinalState::completed(Value::Null));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_end_without_a_whole_result_is_the_stop_s_whatever_the_command_says() {
    let db = Db::new().await;
    let failed = says(r#"{"error":{"message":"interrupted"}}"#);
    let failed_for_good = says(r#"{"error":{"message":"interrupted","permanent":true}}"#);
    for (answer, expected) in [
        (format!("{failed}; exit 1"), FinalState::stopped(Stop::Shutdown)),
        (format!("{failed}; exit 0"), FinalState::stopped(Stop::Shutdown)),
        (format!("{failed_for_good}; exit 1"), FinalState::stopped(Stop::Shutdown)),
        (format!("{}; exit 1", says(r#"{"result":7}"#)), FinalState::stopped(Stop::Shutdown)),
        (format!("{}; exit 0", says(r#"{"result":1e400}"#)), FinalState::stopped(Stop::Shutdown)),
        (format!("{}; exit 0", says(r#"{"result":7}"#)), FinalState::completed(json!(7))),
        (format!("{}; exit 143", says(r#"{"result":null}"#)), FinalState::completed(Value::Null)),
    ] {
        let spec = at_sigterm(&answer);
        let builder = Mill::builder(&db).kind("k", KindSettings::default(), spec.clone());
        assert_eq!(stopped(&db, builder, Stop::Shutdown).await, expected, "by its worker: {answer}");
        db.execute("delete from jobs").await;
        for command_first in [true, false] {
            let final_state = stopped_together(&db, spec.clone(), Signal::SIGTERM, command_first).await;
            assert_eq!(final_state, expected, "{command_first}, {answer}");
            db.execute("delete from jobs").await;
        }
    }
}

const PYTHON_READY: &str = r#"
import os, signal, sys, time
os.write(3, b'{"event":{"type":"ready","data":%d}}\n' % os.getpid())"#;

/// A program in Python that says when it is ready, and ends with this code at a signal.
fn python_at(signal: &str, code: i32) -> CommandSpec {
    let handler = format!("import signal, sys\nsignal.signal(signal.{signal}, lambda *_: sys.exit({code}))");
    CommandSpec::new(["python3", "-c", &format!("{handler}{PYTHON_READY}\nwhile True: time.sleep(0.02)")])
}

/// One with Python's own handler for SIGINT, that does this at one.
fn python_at_interrupt(answer: &str) -> CommandSpec {
    // It is there by default, unless the signal is ignored when Python starts.
    let handler = "import signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)";
    let wait = format!("try:\n  while True: time.sleep(0.02)\nexcept KeyboardInterrupt: {answer}");
    CommandSpec::new(["python3", "-c", &format!("{handler}{PYTHON_READY}\n{wait}")])
}

/// A job of kind `k` that runs, with the number of its process.
async fn running(db: &Db, spec: CommandSpec) -> (Mill, Uuid, Pid) {
    let mill = Mill::builder(db).kind("k", KindSettings::default(), spec).start();
    let id = db.enqueue(NewJob { max_attempts: Some(1), ..job("k") }).await;
    let pid = ready(db, id).await;
    (mill, id, pid)
}

/// Runs a command, sends it a signal while its worker is asked to end, and answers how the job stands then.
async fn stopped_together(db: &Db, spec: CommandSpec, signal: Signal, command_first: bool) -> FinalState {
    let (mill, id, pid) = running(db, spec).await;
    mill.shutdown.by_signal(signal as i32);
    if command_first {
        kill(pid, signal).unwrap();
        mill.shutdown.graceful.cancel();
    } else {
        mill.shutdown.graceful.cancel();
        kill(pid, signal).unwrap();
    }
    mill.ended().await;
    let final_state = FinalState::of(db, id).await;
    let last = db.event_types(id).await.pop();
    assert_eq!(
        last.as_deref() == Some("released"),
        final_state.state == "available",
        "{last:?}, {final_state:?}"
    );
    final_state
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signal_to_worker_and_command_together_costs_no_attempt() {
    let db = Db::new().await;
    let plain = CommandSpec::new(["sh", "-c", &format!("{READY}; while :; do sleep 0.02; done")]);
    for (spec, signal) in [
        (plain.clone(), Signal::SIGTERM),
        (plain.clone(), Signal::SIGINT),
        (at_sigterm("exit 0"), Signal::SIGTERM),
        (at_sigterm("exit 1"), Signal::SIGTERM),
        (at_sigterm("exit 143"), Signal::SIGTERM),
        // It takes its handlers away before it ends.
        (python_at("SIGTERM", 0), Signal::SIGTERM),
        (python_at("SIGHUP", 0), Signal::SIGHUP),
        (python_at("SIGHUP", 1), Signal::SIGHUP),
        (python_at("SIGQUIT", 0), Signal::SIGQUIT),
        (python_at_interrupt("print('bye')"), Signal::SIGINT),
        (python_at_interrupt("sys.exit(1)"), Signal::SIGINT),
    ] {
        for command_first in [true, false] {
            let final_state = stopped_together(&db, spec.clone(), signal, command_first).await;
            let expected = FinalState::stopped(Stop::Shutdown);
            assert_eq!(final_state, expected, "{signal}, {command_first}, {:?}", spec.command);
            db.execute("delete from jobs").await;
        }
    }
    // The command's end is seen a while before the worker hears.
    let (mill, id, pid) = running(&db, plain.clone()).await;
    kill(pid, Signal::SIGTERM).unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    mill.stop().await;
    assert_eq!(FinalState::of(&db, id).await, FinalState::stopped(Stop::Shutdown));
    db.execute("delete from jobs").await;
    // Nobody stops the worker: it is the command's own end.
    let (mill, id, pid) = running(&db, plain).await;
    kill(pid, Signal::SIGTERM).unwrap();
    until_state(&db, id, "failed").await;
    assert_eq!(FinalState::of(&db, id).await.class.as_deref(), Some("signal"));
    mill.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_finishes_while_its_worker_waits_for_it_is_completed() {
    let db = Db::new().await;
    let folder = tempfile::tempdir().unwrap();
    let go_on = folder.path().join("go-on");
    // Both have a handler for SIGINT by default.
    let shell = format!("{READY}; while [ ! -e {} ]; do sleep 0.02; done", go_on.display());
    let python = format!("{PYTHON_READY}\nwhile not os.path.exists({go_on:?}): time.sleep(0.02)");
    for command in [["sh", "-c", &shell], ["python3", "-c", &python]] {
        for signal in [None, Some(Signal::SIGTERM)] {
            let (mill, id, _) = running(&db, CommandSpec::new(command)).await;
            if let Some(signal) = signal {
                mill.shutdown.by_signal(signal as i32);
            }
            mill.shutdown.graceful.cancel();
            std::fs::write(&go_on, "").unwrap();
            mill.ended().await;
            assert_eq!(
                FinalState::of(&db, id).await,
                FinalState::completed(Value::Null),
                "{command:?}, {signal:?}"
            );
            std::fs::remove_file(&go_on).unwrap();
            db.execute("delete from jobs").await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handler_for_a_signal_is_no_stop_while_the_worker_goes_on() {
    let db = Db::new().await;
    for (answer, expected) in [("print('bye')", "completed"), ("sys.exit(1)", "failed")] {
        let (mill, id, pid) = running(&db, python_at_interrupt(answer)).await;
        kill(pid, Signal::SIGINT).unwrap();
        until_state(&db, id, expected).await;
        mill.stop().await;
        db.execute("delete from jobs").await;
    }
}
