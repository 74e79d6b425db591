//! `tidemill audit`: prints the audit log, newest first.

use clap::Args;
use serde_json::Value;

use super::common::client::{Client, ServerArgs};
use super::common::error::CliError;
use super::common::output::{self, cell};
use super::{GlobalArgs, log};

/// The arguments of `tidemill audit`.
#[derive(Debug, Args)]
pub(super) struct AuditArgs {
    /// Only actions on this subject, such as job:ID, queue:NAME or limit:NAME
    #[arg(long)]
    subject: Option<String>,
    /// Only actions by this API key or database user
    #[arg(long)]
    who: Option<String>,
    #[command(flatten)]
    server: ServerArgs,
}

pub(super) async fn run(args: AuditArgs, global: &GlobalArgs) -> Result<(), CliError> {
    log::start_quiet(global);
    let filters = [("subject", args.subject), ("who", args.who)];
    let query: Vec<_> = filters.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
    let answer = Client::new(&args.server)?.get(&["audit"], &query).await?;
    if args.server.json {
        return output::line(&answer.text);
    }
    let records = answer.json["items"].as_array().cloned().unwrap_or_default();
    let row = |record: &Value| {
        vec![
            cell(&record["at"]),
            cell(&record["who"]),
            cell(&record["action"]),
            cell(&record["subject"]),
            cell(&record["before"]),
            cell(&record["after"]),
        ]
    };
    output::table(&["AT", "WHO", "ACTION", "ON", "BEFORE", "AFTER"], records.iter().map(row).collect())
}
