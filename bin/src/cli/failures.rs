//! `tidemill failures`: prints the causes of failed attempts, one row per cause.

use clap::Args;
use serde_json::Value;

use super::common::client::{Client, ServerArgs};
use super::common::error::CliError;
use super::common::output::{self, cell};
use super::common::time::relative;
use super::{GlobalArgs, log};

/// The arguments of `tidemill failures`.
#[derive(Debug, Args)]
pub(super) struct FailuresArgs {
    /// Only of jobs of this kind
    #[arg(long)]
    kind: Option<String>,
    /// Only failures since this time, such as 2030-01-31T08:00:00Z
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    #[command(flatten)]
    server: ServerArgs,
}

pub(super) async fn run(args: FailuresArgs, global: &GlobalArgs) -> Result<(), CliError> {
    log::start_quiet(global);
    let filters = [("kind", args.kind), ("since", args.since)];
    let query: Vec<_> = filters.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
    let answer = Client::new(&args.server)?.get(&["failures"], &query).await?;
    if args.server.json {
        return output::line(&answer.text);
    }
    let causes = answer.json["items"].as_array().cloned().unwrap_or_default();
    let row = |cause: &Value| {
        vec![
            cell(&cause["failures"]),
            cell(&cause["kind"]),
            cell(&cause["type"]),
            cell(&cause["message"]),
            relative(&cause["last_at"]),
            cell(&cause["fingerprint"]),
        ]
    };
    output::table(
        &["FAILURES", "KIND", "TYPE", "MESSAGE", "LAST", "FINGERPRINT"],
        causes.iter().map(row).collect(),
    )
}
