//! `tidemill doctor`: prints the problems of the installation with advice.

use clap::Args;

use super::common::client::{Client, ServerArgs};
use super::common::error::CliError;
use super::common::output::{self, cell};
use super::{GlobalArgs, log};

/// The arguments of `tidemill doctor`.
#[derive(Debug, Args)]
pub(super) struct DoctorArgs {
    #[command(flatten)]
    server: ServerArgs,
}

pub(super) async fn run(args: DoctorArgs, global: &GlobalArgs) -> Result<(), CliError> {
    log::start_quiet(global);
    let answer = Client::new(&args.server)?.get(&["doctor"], &[]).await?;
    let findings = answer.json["items"].as_array().cloned().unwrap_or_default();
    if args.server.json {
        output::line(&answer.text)?;
    } else if findings.is_empty() {
        output::line("nothing is wrong")?;
    } else {
        for finding in &findings {
            output::line(&format!("{}: {}", cell(&finding["severity"]), cell(&finding["message"])))?;
            output::line(&format!("  {}", cell(&finding["advice"])))?;
        }
    }
    match findings.iter().filter(|finding| finding["severity"] == "critical").count() {
        0 => Ok(()),
        count => Err(CliError::Failed(format!("{count} of these are critical"))),
    }
}
