//! `tidemill conformance`: tells the author of a remote worker whether it keeps the protocol of docs/protocol.md.
//! Plays scenarios against the worker with a server of its own; needs no Postgres and no other server.

mod attempt;
mod model;
mod play;
mod request;
mod scenario;
mod server;

use std::fmt::Write as _;

use clap::Args;
use futures_util::{StreamExt, stream};
use tokio::signal::ctrl_c;
use tokio::signal::unix::{SignalKind, signal};

use self::play::{Played, play};
use self::scenario::Scenario;
use super::error::CliError;
use super::{GlobalArgs, log, output};

/// The arguments of `tidemill conformance`.
#[derive(Debug, Args)]
pub(super) struct ConformanceArgs {
    /// Play only this scenario; repeatable
    #[arg(long, value_name = "NAME")]
    scenario: Vec<String>,
    /// Print the scenarios and what each demands, and play none
    #[arg(long)]
    list: bool,
    /// The number of scenarios that are played at once, each with a worker of its own
    #[arg(long, value_name = "COUNT", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=64))]
    at_once: u16,
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
    let count = scenarios.len();
    let plays = scenarios.into_iter().map(|scenario| play(scenario, &args.command));
    let mut plays = stream::iter(plays).buffered(args.at_once.into());
    let mut failed = Vec::new();
    while let Some(played) = plays.next().await {
        let played = played?;
        output::line(&told(&played))?;
        if !played.findings.is_empty() {
            failed.push(played.scenario.name);
        }
    }
    if failed.is_empty() {
        return Ok(());
    }
    let names = failed.join(", ");
    Err(CliError::Failed(format!("{} of {count} scenarios failed: {names}", failed.len())))
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

/// What is said of a scenario.
fn told(played: &Played) -> String {
    let Played { scenario, findings, is_left_out, output } = played;
    let Scenario { name, demands, section, .. } = scenario;
    if findings.is_empty() {
        let (word, demands) = match is_left_out {
            true => ("left out", "The worker does not claim its kind, which is optional."),
            false => ("ok", demands.as_str()),
        };
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
        let _ = write!(text, "\n           the worker wrote:");
        for line in output.trim().lines() {
            let _ = write!(text, "\n             {line}");
        }
    }
    text
}
