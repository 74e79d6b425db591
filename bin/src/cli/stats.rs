//! `tidemill stats`: prints the outcomes of jobs by kind, or exports all statistics to a file.

use clap::Args;
use serde_json::Value;

use super::common::client::{Client, ServerArgs};
use super::common::error::CliError;
use super::common::output::{self, cell};
use super::{GlobalArgs, log};

/// The arguments of `tidemill stats`.
#[derive(Debug, Args)]
pub(super) struct StatsArgs {
    /// The start: a duration back from now such as 1h, or a time [default: 1h; for an export 24h]
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Write all statistics over time, by queue and kind
    #[arg(long, value_name = "FORMAT", value_parser = ["csv", "json"])]
    export: Option<String>,
    /// Only jobs of this kind, in an export
    #[arg(long, requires = "export")]
    kind: Option<String>,
    /// Only jobs of this queue, in an export
    #[arg(long, requires = "export")]
    queue: Option<String>,
    #[command(flatten)]
    server: ServerArgs,
}

pub(super) async fn run(args: StatsArgs, global: &GlobalArgs) -> Result<(), CliError> {
    log::start_quiet(global);
    let client = Client::new(&args.server)?;
    let is_export = args.export.is_some();
    let filters =
        [("since", args.since), ("format", args.export), ("kind", args.kind), ("queue", args.queue)];
    let query: Vec<_> = filters.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
    if is_export {
        return output::line(client.text(&["stats", "export"], &query).await?.trim_end());
    }
    let answer = client.get(&["stats", "summary"], &query).await?;
    if args.server.json {
        return output::line(&answer.text);
    }
    let kinds = answer.json["kinds"].as_array().cloned().unwrap_or_default();
    let mut rows: Vec<_> = kinds.iter().map(|kind| row(&cell(&kind["kind"]), kind)).collect();
    rows.push(row("all", &answer.json));
    table("KIND", rows)
}

/// Rows of counts, whose first column has a title.
pub(super) fn table(title: &str, rows: Vec<Vec<String>>) -> Result<(), CliError> {
    output::table(
        &[title, "ENQUEUED", "COMPLETED", "FAILED", "RETRIED", "SUCCESS", "AVERAGE", "SHORTEST", "LONGEST"],
        rows,
    )
}

pub(super) fn row(name: &str, counts: &Value) -> Vec<String> {
    let share = counts["success_rate"].as_f64().map(|rate| format!("{:.1} %", rate * 100.0));
    let seconds =
        |key: &str| counts[key].as_f64().map(|seconds| format!("{seconds:.3} s")).unwrap_or_default();
    vec![
        name.to_owned(),
        cell(&counts["enqueued"]),
        cell(&counts["completed"]),
        cell(&counts["failed"]),
        cell(&counts["retried"]),
        share.unwrap_or_default(),
        seconds("average_run_seconds"),
        seconds("least_run_seconds"),
        seconds("most_run_seconds"),
    ]
}
