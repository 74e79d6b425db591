//! `tidemill jobs redrive`: retries all failed jobs that match a filter, or only counts them.

use clap::Args;
use reqwest::Method;
use serde_json::json;

use crate::cli::common::client::{Client, ServerArgs};
use crate::cli::common::error::CliError;
use crate::cli::common::job_filter::JobFilterArgs;
use crate::cli::common::output;

/// The arguments of `tidemill jobs redrive`.
#[derive(Debug, Args)]
pub(super) struct RedriveArgs {
    #[command(flatten)]
    filter: JobFilterArgs,
    /// Only failed jobs, or only cancelled jobs
    #[arg(long, value_parser = ["failed", "cancelled"])]
    state: Option<String>,
    /// All failed and cancelled jobs; only without a filter
    #[arg(long)]
    all: bool,
    /// The most jobs to retry
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    limit: u32,
    /// The queue for the retried jobs, instead of their own
    #[arg(long, value_name = "QUEUE")]
    to_queue: Option<String>,
    /// Only count the jobs
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    server: ServerArgs,
}

pub(super) async fn run(args: RedriveArgs) -> Result<(), CliError> {
    let filter = args.filter.with_state(args.state);
    let mut body = json!({ "filter": filter, "all": args.all, "limit": args.limit, "dry_run": args.dry_run });
    if let Some(queue) = args.to_queue {
        body["queue"] = queue.into();
    }
    let client = Client::new(&args.server)?;
    let answer = client.ask(client.request(Method::POST, &["jobs", "retry"]).json(&body)).await?;
    if args.server.json {
        return output::line(&answer.text);
    }
    let word = |name: &str| answer.json[name].to_string();
    output::line(&if args.dry_run {
        format!("{} jobs would be retried", word("matched"))
    } else {
        format!("{} of {} jobs are retried", word("done"), word("matched"))
    })
}
