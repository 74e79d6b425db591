//! Tests the command of a kind without a server: whether its lines on file descriptor 3 are valid, and
//! whether it stops on request. Runs the command as a worker does; must not check the content of its result.

use std::time::Duration;

use serde_json::Value;
use tidemill::StopReason;
use tidemill::job::attempt::Outcome;
use tidemill::kinds::command::CommandSpec;
use tidemill::worker::context::{Attempt, Context};
use tidemill::worker::handler::DynHandler;
use tidemill::worker::testing::{TestProbe, outcome_of};
use tokio::time::timeout;

use super::model::Finding;
use super::play::Played;
use crate::cli::CliError;

/// A command that takes longer is stopped.
const LONGEST: Duration = Duration::from_mins(1);
/// A command has this long to get ready for SIGTERM.
const READY: Duration = Duration::from_secs(1);
/// The stream of lines that were not understood, and what they begin with.
const CHANNEL: &str = "fd3";
const NOT_UNDERSTOOD: &str = "line not understood: ";

/// The event after all others, of a type that no command can say.
const LAST: &str = "the end";

/// How a command went.
#[derive(Debug)]
pub(super) struct Tried {
    /// How its attempt ended.
    pub(super) end: String,
    pub(super) plays: Vec<Played>,
}

/// Runs `command` twice with these args: to its end, and with a stop.
///
/// # Errors
/// If it cannot be started.
pub(super) async fn tried(command: &[String], args: &Value) -> Result<Tried, CliError> {
    let spec = CommandSpec::new(command);
    let (context, probe) = context(args);
    let stop = async {
        tokio::time::sleep(LONGEST).await;
        probe.stop(StopReason::SoftTimeout);
        std::future::pending::<()>().await;
    };
    let ended = tokio::select! {
        ended = spec.run(context.clone()) => ended,
        () = stop => unreachable!("it never ends"),
    };
    let (outcome, _) = outcome_of(ended);
    let end = match outcome {
        Outcome::Completed { result } => format!("completed with {}", result.unwrap_or_default()),
        Outcome::Failed { failure } if failure.class == "spawn" => {
            return Err(CliError::Usage(failure.message));
        }
        Outcome::Failed { failure } => format!("failed ({}): {}", failure.class, failure.message),
        other => other.word().to_owned(),
    };
    let refused = refused_lines(&context, probe).await;
    let lines = played(
        "lines",
        "Every line on file descriptor 3 is understood.",
        "What it may say",
        refused.into_iter().map(|line| Finding { expected: "a line that is understood".into(), came: line }),
    );
    Ok(Tried { end, plays: vec![lines, stopped(&spec, args).await] })
}

async fn stopped(spec: &CommandSpec, args: &Value) -> Played {
    let (context, probe) = context(args);
    let grace = context.stop_grace();
    let run = spec.run(context);
    tokio::pin!(run);
    let is_early = timeout(READY, &mut run).await.is_ok();
    let mut findings = Vec::new();
    if !is_early {
        probe.stop(StopReason::Cancelled);
        // Dropped after that, which ends the process group by SIGKILL.
        if timeout(grace, &mut run).await.is_err() {
            let expected = format!("an end within {} s after SIGTERM", grace.as_secs());
            findings.push(Finding { expected, came: "it runs still".into() });
        }
    }
    let demands = "The command ends when its process group gets SIGTERM.";
    let left_out =
        is_early.then_some("The command ends within a second; give it args with which it takes longer.");
    Played { left_out, ..played("stop", demands, "How it ends", findings) }
}

fn context(args: &Value) -> (Context, TestProbe) {
    Context::for_test(Attempt::for_test("conformance", args.clone()))
}

/// The lines that were not understood, each with the reason.
async fn refused_lines(context: &Context, mut probe: TestProbe) -> Vec<String> {
    context.event(LAST, Value::Null).await;
    // It is the last of what came, so it comes.
    probe.wait_for(|event| event.kind == LAST).await;
    let lines = probe.lines(CHANNEL);
    lines.iter().map(|line| line.strip_prefix(NOT_UNDERSTOOD).unwrap_or(line).to_owned()).collect()
}

fn played(
    name: &'static str,
    demands: &str,
    section: &str,
    findings: impl IntoIterator<Item = Finding>,
) -> Played {
    let findings = findings.into_iter().collect();
    let (demands, section) = (demands.to_owned(), section.to_owned());
    Played { name, demands, section, findings, left_out: None, output: String::new() }
}
