//! `tidemill queues set`: changes the limits of a queue. Changes only the given settings.

use clap::Args;
use reqwest::Method;
use serde_json::{Map, Value};

use crate::cli::common::client::{Client, ServerArgs};
use crate::cli::common::error::CliError;
use crate::cli::common::output;

#[derive(Debug, Args)]
pub(super) struct SetArgs {
    /// The queue's name
    name: String,
    /// The maximum number of waiting jobs; further jobs are refused
    #[arg(long, value_name = "N", value_parser = number_or_none)]
    max_queued: Option<Value>,
    /// The number of its jobs that each worker runs at once
    #[arg(long, value_name = "N", value_parser = number_or_none)]
    slots: Option<Value>,
    /// The maximum number of its jobs that run at once, over all workers
    #[arg(long, value_name = "N", value_parser = number_or_none)]
    max_running: Option<Value>,
    /// The maximum number of its jobs that start in each period, over all workers
    #[arg(long, value_name = "N", value_parser = number_or_none)]
    rate: Option<Value>,
    /// The period of the rate, such as 1h [default: 1m]
    #[arg(long, value_name = "TIME", requires = "rate")]
    per: Option<String>,
    /// The maximum number of jobs that start at one moment after an idle time [default: the rate]
    #[arg(long, value_name = "N", requires = "rate")]
    burst: Option<u32>,
    /// The waiting time after which a due job is claimed as if its priority were one better
    #[arg(long, value_name = "TIME", value_parser = text_or_none)]
    priority_ageing: Option<Value>,
    #[command(flatten)]
    server: ServerArgs,
}

fn number_or_none(text: &str) -> Result<Value, String> {
    match text {
        "none" => Ok(Value::Null),
        _ => text.parse::<u32>().map(Value::from).map_err(|_| "give a number, or none".to_owned()),
    }
}

#[expect(clippy::unnecessary_wraps, reason = "clap takes parsers that may fail")]
fn text_or_none(text: &str) -> Result<Value, String> {
    Ok(if text == "none" { Value::Null } else { text.into() })
}

pub(super) async fn run(set: &SetArgs) -> Result<(), CliError> {
    let fields: [(&str, Option<Value>); 7] = [
        ("max_queued", set.max_queued.clone()),
        ("slots", set.slots.clone()),
        ("max_running", set.max_running.clone()),
        ("rate", set.rate.clone()),
        ("per", set.per.clone().map(Value::from)),
        ("burst", set.burst.map(Value::from)),
        ("priority_ageing", set.priority_ageing.clone()),
    ];
    let body: Map<String, Value> =
        fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
    if body.is_empty() {
        return Err(CliError::Usage("name a setting to change, such as --max-queued 100".into()));
    }
    let client = Client::new(&set.server)?;
    let answer = client.ask(client.request(Method::PATCH, &["queues", &set.name]).json(&body)).await?;
    if set.server.json {
        return output::line(&answer.text);
    }
    output::line(&format!("queue {} is set", set.name))
}
