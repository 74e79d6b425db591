//! `tidemill kinds`: lists the kinds and the circuit breakers that are open, and resets a breaker.

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::Value;

use super::common::client::{Client, ServerArgs};
use super::common::error::CliError;
use super::common::output::{self, cell};
use super::common::time::relative;
use super::{GlobalArgs, log};

/// The arguments of `tidemill kinds`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct KindsArgs {
    #[command(subcommand)]
    verb: Option<Verb>,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List the kinds (the default)
    List(ServerArgs),
    /// Reset the circuit breaker of a kind so that its jobs start again
    ResetBreaker {
        /// The kind
        kind: String,
        #[command(flatten)]
        server: ServerArgs,
    },
}

pub(super) async fn run(args: KindsArgs, global: &GlobalArgs) -> Result<(), CliError> {
    log::start_quiet(global);
    match args.verb.unwrap_or(Verb::List(args.server)) {
        Verb::List(server) => list(&server).await,
        Verb::ResetBreaker { kind, server } => {
            let client = Client::new(&server)?;
            client.ask(client.request(Method::POST, &["kinds", &kind, "reset-breaker"])).await?;
            output::line(&format!("jobs of kind {kind} start again"))
        }
    }
}

async fn list(server: &ServerArgs) -> Result<(), CliError> {
    let answer = Client::new(server)?.get(&["kinds"], &[]).await?;
    if server.json {
        return output::line(&answer.text);
    }
    let kinds = answer.json["items"].as_array().cloned().unwrap_or_default();
    let row = |kind: &Value| {
        let breaker = match (&kind["breaker_open_until"], &kind["breaker_after"]) {
            (Value::Null, Value::Null) => String::new(),
            (Value::Null, after) => format!("{} of {after} crashes", kind["breaker_crashes"]),
            (until, _) => format!("open until {}", cell(until)),
        };
        vec![
            cell(&kind["name"]),
            cell(&kind["source"]),
            cell(&kind["queue"]),
            breaker,
            relative(&kind["last_seen_at"]),
        ]
    };
    output::table(&["KIND", "SOURCE", "QUEUE", "BREAKER", "SEEN"], kinds.iter().map(row).collect())
}
