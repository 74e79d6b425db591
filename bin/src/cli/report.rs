//! `tidemill report`: prints the verdict of the health report. The exit code repeats the verdict.

use clap::Args;
use serde_json::Value;

use super::common::client::{Client, ServerArgs};
use super::common::error::CliError;
use super::common::output::{self, cell};
use super::{GlobalArgs, log};

/// The arguments of `tidemill report`.
#[derive(Debug, Args)]
#[command(after_help = "Exit codes: 0 ok, 1 attention, 6 unknown, because the data is stale.")]
pub(super) struct ReportArgs {
    #[command(flatten)]
    server: ServerArgs,
}

pub(super) async fn run(args: ReportArgs, global: &GlobalArgs) -> Result<(), CliError> {
    log::start_quiet(global);
    let answer = Client::new(&args.server)?.get(&["health", "report"], &[]).await?;
    let report = &answer.json;
    if args.server.json {
        output::line(&answer.text)?;
    } else {
        print(report)?;
    }
    match report["verdict"].as_str() {
        Some("ok") => Ok(()),
        Some("attention") => Err(CliError::Failed("the installation needs attention".into())),
        _ => Err(CliError::Stale),
    }
}

fn print(report: &Value) -> Result<(), CliError> {
    output::line(&format!("{}: {}", cell(&report["verdict"]), cell(&report["message"])))?;
    for part in ["flow", "execution", "liveness"] {
        output::line(&format!("{part}: {}", cell(&report["parts"][part])))?;
    }
    for finding in report["findings"].as_array().into_iter().flatten() {
        output::line(&format!(
            "{} {}: {}",
            cell(&finding["severity"]),
            cell(&finding["code"]),
            cell(&finding["message"])
        ))?;
        let remedy = &finding["remedy"];
        output::line(&format!("  {} ({})", cell(&remedy["advice"]), cell(&remedy["command"])))?;
    }
    Ok(())
}
