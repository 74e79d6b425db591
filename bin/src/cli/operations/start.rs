//! `tidemill operations start`: starts an action on all jobs that match a filter, or only counts the jobs.

use clap::Args;
use reqwest::Method;
use serde_json::{Map, Value};

use super::show;
use crate::cli::common::client::{Client, ServerArgs};
use crate::cli::common::error::CliError;
use crate::cli::common::job_filter::JobFilterArgs;
use crate::cli::common::output;

/// The arguments of `tidemill operations start`.
#[derive(Debug, Args)]
pub(super) struct StartArgs {
    /// The action
    #[arg(value_parser = ["cancel", "retry", "run-now", "delete", "set-priority", "move"])]
    action: String,
    /// Only jobs in this state
    #[arg(long)]
    state: Option<String>,
    #[command(flatten)]
    filter: JobFilterArgs,
    /// Only jobs with this value in their args, metadata or error, such as timeout or customer.id=42;
    /// needs --created-after
    #[arg(long, value_name = "VALUE")]
    search: Option<String>,
    /// All jobs to which the action applies; only without a filter
    #[arg(long)]
    all: bool,
    /// move, retry: the queue for the jobs
    #[arg(long, value_name = "QUEUE")]
    to_queue: Option<String>,
    /// set-priority: 1 to 9, or critical, high, normal, low
    #[arg(long, value_name = "PRIORITY")]
    to_priority: Option<String>,
    /// The maximum rate, such as 5/s, 200/min or 1000/h
    #[arg(long)]
    rate: Option<String>,
    /// Only count the jobs
    #[arg(long)]
    dry_run: bool,
    /// Only count the jobs after this one, where another count stopped
    #[arg(long, value_name = "ID", requires = "dry_run")]
    after: Option<String>,
    #[command(flatten)]
    server: ServerArgs,
}

pub(super) async fn run(args: StartArgs) -> Result<(), CliError> {
    let mut filter = args.filter.with_state(args.state);
    if let Some(search) = args.search {
        filter.insert("search".into(), search.into());
    }
    let priority = args.to_priority.map(|text| text.parse::<i64>().map_or_else(|_| text.into(), Value::from));
    let fields: [(&str, Option<Value>); 6] = [
        ("action", Some(args.action.replace('-', "_").into())),
        ("filter", Some(filter.into())),
        ("all", Some(args.all.into())),
        ("queue", args.to_queue.map(Value::from)),
        ("priority", priority),
        ("rate", args.rate.map(Value::from)),
    ];
    let body: Map<String, Value> =
        fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
    let client = Client::new(&args.server)?;
    if !args.dry_run {
        let answer = client.ask(client.request(Method::POST, &["operations"]).json(&body)).await?;
        return show::print(&answer, &args.server);
    }
    let request = client.request(Method::POST, &["operations", "preview"]);
    let request = args.after.iter().fold(request, |request, after| request.query(&[("after", after)]));
    let answer = client.ask(request.json(&body)).await?;
    if args.server.json {
        return output::line(&answer.text);
    }
    let more = if answer.json["complete"] == true { "" } else { " or more" };
    let (matched, skipped) = (&answer.json["matched"], show::skipped(&answer.json));
    output::line(&format!("{matched}{more} jobs would be acted on, {skipped} skipped"))?;
    match answer.json["looked_to"].as_str() {
        Some(id) => output::line(&format!("they are not all counted: go on with --after {id}")),
        None => Ok(()),
    }
}
