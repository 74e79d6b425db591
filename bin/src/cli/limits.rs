//! `tidemill limits`: lists, sets and deletes limits that hold over all workers.

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Map, Value};

use super::common::client::{Client, ServerArgs};
use super::common::error::CliError;
use super::common::output::{self, cell};
use super::{GlobalArgs, log};

/// The arguments of `tidemill limits`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct LimitsArgs {
    #[command(subcommand)]
    verb: Option<Verb>,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List the limits (the default)
    List(ServerArgs),
    /// Set a limit, replacing an earlier one of the same name
    Set(SetArgs),
    /// Delete a limit
    Drop {
        /// Its name
        name: String,
        #[command(flatten)]
        server: ServerArgs,
    },
}

#[derive(Debug, Args)]
struct SetArgs {
    /// The name that concurrency keys begin with, or queue:NAME
    name: String,
    /// The most jobs that run at once per key; 0 stops them
    #[arg(long, value_name = "N")]
    max_running: Option<u32>,
    /// The most jobs that start in each period per key
    #[arg(long, value_name = "N")]
    rate: Option<u32>,
    /// The period of the rate, such as 1h [default: 1m]
    #[arg(long, value_name = "TIME", requires = "rate")]
    per: Option<String>,
    /// The maximum number of jobs that start at one moment after an idle time [default: the rate]
    #[arg(long, value_name = "N", requires = "rate")]
    burst: Option<u32>,
    /// The effect of a new job when the limit is reached [default: queue]
    #[arg(long, value_name = "WORD", value_parser = ["queue", "cancel_newest", "cancel_oldest"])]
    on_full: Option<String>,
    #[command(flatten)]
    server: ServerArgs,
}

pub(super) async fn run(args: LimitsArgs, global: &GlobalArgs) -> Result<(), CliError> {
    log::start_quiet(global);
    match args.verb.unwrap_or(Verb::List(args.server)) {
        Verb::List(server) => list(&server).await,
        Verb::Set(set) => change(&set).await,
        Verb::Drop { name, server } => {
            let client = Client::new(&server)?;
            client.ask(client.request(Method::DELETE, &["limits", &name])).await?;
            output::line(&format!("limit {name} is deleted"))
        }
    }
}

async fn list(server: &ServerArgs) -> Result<(), CliError> {
    let answer = Client::new(server)?.get(&["limits"], &[("limit", "1000".into())]).await?;
    if server.json {
        return output::line(&answer.text);
    }
    let limits = answer.json["items"].as_array().cloned().unwrap_or_default();
    let rows = limits.iter().map(|limit| {
        vec![
            cell(&limit["name"]),
            cell(&limit["max_running"]),
            rate(limit),
            cell(&limit["burst"]),
            cell(&limit["on_full"]),
        ]
    });
    output::table(&["NAME", "MOST RUNNING", "RATE", "BURST", "WHEN FULL"], rows.collect())
}

fn rate(limit: &Value) -> String {
    let period = limit["per_seconds"]
        .as_f64()
        .and_then(|seconds| std::time::Duration::try_from_secs_f64(seconds).ok());
    period.map_or_else(String::new, |period| {
        format!("{} in {}", limit["rate"], humantime::format_duration(period))
    })
}

async fn change(set: &SetArgs) -> Result<(), CliError> {
    let fields: [(&str, Option<Value>); 5] = [
        ("max_running", set.max_running.map(Value::from)),
        ("rate", set.rate.map(Value::from)),
        ("per", set.per.clone().map(Value::from)),
        ("burst", set.burst.map(Value::from)),
        ("on_full", set.on_full.clone().map(Value::from)),
    ];
    let body: Map<String, Value> =
        fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
    let client = Client::new(&set.server)?;
    let answer = client.ask(client.request(Method::PUT, &["limits", &set.name]).json(&body)).await?;
    if set.server.json {
        return output::line(&answer.text);
    }
    output::line(&format!("limit {} is set", set.name))
}
