//! `tidemill workers`: lists and drains workers.

use clap::{Args, Subcommand};
use serde_json::Value;

use super::common::client::{Client, ServerArgs};
use super::common::error::CliError;
use super::common::output::{self, cell};
use super::common::time::relative;
use super::{GlobalArgs, log};

/// The arguments of `tidemill workers`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct WorkersArgs {
    #[command(subcommand)]
    verb: Option<Verb>,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List the workers of the last day (the default)
    List(ServerArgs),
    /// Drain a worker: it claims no more jobs, finishes its running jobs and stops
    Drain {
        /// Its id
        id: String,
        #[command(flatten)]
        server: ServerArgs,
    },
}

pub(super) async fn run(args: WorkersArgs, global: &GlobalArgs) -> Result<(), CliError> {
    log::start_quiet(global);
    match args.verb.unwrap_or(Verb::List(args.server)) {
        Verb::List(server) => list(&server).await,
        Verb::Drain { id, server } => drain(&id, &server).await,
    }
}

async fn drain(id: &str, server: &ServerArgs) -> Result<(), CliError> {
    let answer = Client::new(server)?.post(&["workers", id, "drain"]).await?;
    if server.json {
        return output::line(&answer.text);
    }
    output::line(&format!("worker {id} is draining"))
}

async fn list(server: &ServerArgs) -> Result<(), CliError> {
    let answer = Client::new(server)?.get(&["workers"], &[]).await?;
    if server.json {
        return output::line(&answer.text);
    }
    table(&answer.json["items"].as_array().cloned().unwrap_or_default())
}

/// Workers, a line each.
pub(super) fn table(workers: &[Value]) -> Result<(), CliError> {
    let rows = workers.iter().map(|worker| {
        vec![
            cell(&worker["id"]),
            cell(&worker["state"]),
            cell(&worker["running"]),
            queues(&worker["queues"]),
            cell(&worker["kinds"]),
            relative(&worker["seen_at"]),
            relative(&worker["started_at"]),
            cell(&worker["version"]),
            cell(&worker["containment"]),
        ]
    });
    output::table(
        &["ID", "STATE", "RUNNING", "QUEUES", "KINDS", "SEEN", "STARTED", "VERSION", "CONTAINMENT"],
        rows.collect(),
    )
}

/// Slots by queue as `crawl=2, default=4`, without the queues that are left to others.
fn queues(queues: &Value) -> String {
    let Some(queues) = queues.as_object() else { return cell(queues) };
    let served = queues.iter().filter(|(_, slots)| **slots != 0);
    served.map(|(name, slots)| format!("{name}={}", cell(slots))).collect::<Vec<_>>().join(", ")
}
