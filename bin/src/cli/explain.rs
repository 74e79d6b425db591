//! `tidemill explain`: prints why a job is not running and when it may start.

use clap::Args;
use serde_json::Value;

use super::common::client::{Client, ServerArgs};
use super::common::error::CliError;
use super::common::output::{self, cell};
use super::{GlobalArgs, log};

/// The arguments of `tidemill explain`.
#[derive(Debug, Args)]
pub(super) struct ExplainArgs {
    /// The job's id, or execution:NAME
    id: String,
    #[command(flatten)]
    server: ServerArgs,
}

pub(super) async fn run(args: ExplainArgs, global: &GlobalArgs) -> Result<(), CliError> {
    log::start_quiet(global);
    let answer = Client::new(&args.server)?.get(&["jobs", &args.id, "explain"], &[]).await?;
    if args.server.json {
        return output::line(&answer.text);
    }
    for reason in answer.json["reasons"].as_array().unwrap_or(&Vec::new()) {
        output::line(&cell(&reason["message"]))?;
    }
    match &answer.json["expected_start_at"] {
        Value::Null => Ok(()),
        start => {
            output::line(&format!("it may start at {} ({})", cell(start), cell(&answer.json["based_on"])))
        }
    }
}
