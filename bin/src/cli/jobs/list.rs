//! `tidemill jobs list`: one page of jobs, newest first.

use clap::Args;
use serde_json::Value;

use crate::cli::common::client::{Client, ServerArgs};
use crate::cli::common::error::CliError;
use crate::cli::common::output::{self, cell};
use crate::cli::common::time::{relative, run_time};

/// The arguments of `tidemill jobs list`.
#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// Only jobs that are waiting, scheduled, available, running, retrying, completed, failed or cancelled
    #[arg(long)]
    state: Option<String>,
    /// Only this queue
    #[arg(long)]
    queue: Option<String>,
    /// Only this kind
    #[arg(long)]
    kind: Option<String>,
    /// Only jobs with this tag
    #[arg(long)]
    tag: Option<String>,
    /// The most jobs to list
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,
    /// The cursor printed with the previous page
    #[arg(long)]
    cursor: Option<String>,
    #[command(flatten)]
    server: ServerArgs,
}

pub(super) async fn run(args: ListArgs) -> Result<(), CliError> {
    let mut query = vec![("limit", args.limit.to_string())];
    let filters = [
        ("state", &args.state),
        ("queue", &args.queue),
        ("kind", &args.kind),
        ("tag", &args.tag),
        ("cursor", &args.cursor),
    ];
    query.extend(filters.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))));
    let answer = Client::new(&args.server)?.get(&["jobs"], &query).await?;
    if args.server.json {
        return output::line(&answer.text);
    }
    let jobs = answer.json["items"].as_array().cloned().unwrap_or_default();
    if jobs.is_empty() {
        output::note("There are no such jobs.");
        return Ok(());
    }
    output::table(
        &["ID", "KIND", "QUEUE", "STATUS", "PROGRESS", "ATTEMPT", "ENQUEUED", "TOOK"],
        jobs.iter().map(row).collect(),
    )?;
    if let Some(cursor) = answer.json["next_cursor"].as_str() {
        output::note(&format!("More with: --cursor {cursor}"));
    }
    Ok(())
}

fn row(job: &Value) -> Vec<String> {
    vec![
        cell(&job["id"]),
        cell(&job["kind"]),
        cell(&job["queue"]),
        cell(&job["status"]),
        progress(&job["progress"]),
        format!("{}/{}", cell(&job["attempt"]), cell(&job["max_attempts"])),
        relative(&job["created_at"]),
        run_time(job),
    ]
}

/// Such as `30% compiling`.
pub(super) fn progress(progress: &Value) -> String {
    let percent = progress["percent"].as_f64().map(|percent| format!("{percent:.0}%"));
    let step = progress["step"].as_str().map(str::to_owned);
    percent.into_iter().chain(step).collect::<Vec<_>>().join(" ")
}
