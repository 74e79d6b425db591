//! `tidemill conformance`: shows the author of a remote worker whether it follows the protocol of docs/protocol.md.
//! Plays scenarios against the worker with a server of its own; needs no Postgres and no other server.

mod attempt;
mod command;
mod model;
mod play;
mod request;
mod scenario;
mod server;

use std::fmt::Write as _;
use std::pin::pin;

use clap::Args;
use futures_util::{Stream, StreamExt, stream};
use tokio::signal::ctrl_c;
use tokio::signal::unix::{SignalKind, signal};

use self::play::{Played, play};
use self::scenario::Scenario;
use super::common::error::CliError;
use super::common::output;
use super::{GlobalArgs, log};

/// The arguments of `tidemill conformance`.
#[derive(Debug, Args)]
pub(super) struct ConformanceArgs {
    /// Run only this scenario; repeatable
    #[arg(long, value_name = "NAME")]
    scenario: Vec<String>,
    /// List the scenarios with their requirements, and run none
    #[arg(long)]
    list: bool,
    /// The number of scenarios that run at once, each with its own worker
    #[arg(long, value_name = "COUNT", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=64))]
    at_once: u16,
    /// Test the command of a kind: it gets args on standard input and writes lines to file descriptor 3
    #[arg(long = "command", conflicts_with_all = ["scenario", "list"])]
    is_command: bool,
    /// The args of that command, as JSON
    #[arg(long, value_name = "JSON", default_value = "{}", value_parser = json, requires = "is_command")]
    args: serde_json::Value,
    /// The worker: a command that finds its server in `TIDEMILL_URL` and its key in `TIDEMILL_KEY`, and serves
    /// the kinds that docs/protocol.md describes
    #[arg(last = true, required_unless_present = "list", value_name = "COMMAND")]
    command: Vec<String>,
}

pub(super) async fn run(args: ConformanceArgs, global: &GlobalArgs) -> Result<(), CliError> {
    log::start_quiet(global);
    let scenarios = chosen(&args.scenario)?;
    if args.list {
        for scenario in scenarios {
            output::line(&format!("{:<16} {}", scenario.name, scenario.demands))?;
        }
        return Ok(());
    }
    // The workers have process groups of their own, which Ctrl-C does not reach: they end as their play is dropped.
    let mut terminated = signal(SignalKind::terminate())?;
    tokio::select! {
        ended = play_all(scenarios, &args) => ended,
        _ = ctrl_c() => Err(CliError::Failed("interrupted".into())),
        _ = terminated.recv() => Err(CliError::Failed("interrupted".into())),
    }
}

async fn play_all(scenarios: Vec<Scenario>, args: &ConformanceArgs) -> Result<(), CliError> {
    if args.is_command {
        let tried = command::tried(&args.command, &args.args).await?;
        output::line(&format!("the attempt: {}", tried.end))?;
        return judged(stream::iter(tried.plays.into_iter().map(Ok))).await;
    }
    let plays = scenarios.into_iter().map(|scenario| play(scenario, &args.command));
    judged(stream::iter(plays).buffered(args.at_once.into())).await
}

/// Prints each outcome as soon as it is known.
async fn judged(plays: impl Stream<Item = Result<Played, CliError>>) -> Result<(), CliError> {
    let mut plays = pin!(plays);
    let (mut count, mut failed) = (0, Vec::new());
    while let Some(played) = plays.next().await {
        let played = played?;
        output::line(&summary(&played))?;
        count += 1;
        if !played.findings.is_empty() {
            failed.push(played.name);
        }
    }
    if failed.is_empty() {
        return Ok(());
    }
    let names = failed.join(", ");
    Err(CliError::Failed(format!("{} of {count} scenarios failed: {names}", failed.len())))
}

fn json(text: &str) -> Result<serde_json::Value, serde_json::Error> {
    serde_json::from_str(text)
}

fn chosen(names: &[String]) -> Result<Vec<Scenario>, CliError> {
    let all = scenario::all();
    if let Some(unknown) = names.iter().find(|name| !all.iter().any(|scenario| scenario.name == **name)) {
        let known: Vec<&str> = all.iter().map(|scenario| scenario.name).collect();
        let message = format!("there is no scenario {unknown}; there are {}", known.join(", "));
        return Err(CliError::Usage(message));
    }
    let is_chosen = |scenario: &Scenario| names.is_empty() || names.iter().any(|name| name == scenario.name);
    Ok(all.into_iter().filter(is_chosen).collect())
}

/// The lines that are printed for a scenario.
fn summary(played: &Played) -> String {
    let Played { name, demands, section, findings, left_out, output } = played;
    if findings.is_empty() {
        let (word, demands) = left_out.map_or(("ok", demands.as_str()), |reason| ("left out", reason));
        return format!("{word:<8} {name:<16} {demands}");
    }
    let mut text = format!("{:<8} {name:<16} {demands}", "FAILED");
    for finding in findings {
        let _ = write!(
            text,
            "\n           expected: {}\n           came:     {}",
            finding.expected, finding.came
        );
    }
    let _ = write!(text, "\n           see:      docs/protocol.md, {section}");
    if !output.trim().is_empty() {
        let _ = write!(text, "\n           it wrote:");
        for line in output.trim().lines() {
            let _ = write!(text, "\n             {line}");
        }
    }
    text
}
