//! `tidemill queues`: lists, sizes, pauses, resumes, drains and purges queues.

mod set;
mod show;

use clap::{Args, Subcommand};
use serde_json::Value;

use super::log;
use crate::cli::client::{Client, ServerArgs};
use crate::cli::error::CliError;
use crate::cli::output::{self, cell};
use crate::cli::time::relative;
use crate::cli::{GlobalArgs, purge};

/// The arguments of `tidemill queues`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(in crate::cli) struct QueuesArgs {
    #[command(subcommand)]
    verb: Option<Verb>,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List the queues (the default)
    List(ServerArgs),
    /// Show one queue
    Show(QueueArgs),
    /// Change the limits of a queue; settings left out stay as they are, `none` removes a setting
    Set(set::SetArgs),
    /// Stop claiming from a queue until it is resumed
    Pause(QueueArgs),
    /// End a pause or a drain
    Resume(QueueArgs),
    /// Refuse new jobs for a queue until it is resumed
    Drain(QueueArgs),
    /// Cancel all jobs of one queue or of all queues that are not running
    Purge(purge::PurgeArgs),
}

#[derive(Debug, Args)]
struct QueueArgs {
    /// The queue's name
    name: String,
    #[command(flatten)]
    server: ServerArgs,
}

pub(in crate::cli) async fn run(args: QueuesArgs, global: &GlobalArgs) -> Result<(), CliError> {
    log::start_quiet(global);
    match args.verb.unwrap_or(Verb::List(args.server)) {
        Verb::List(server) => list(&server).await,
        Verb::Show(queue) => show::run(&queue).await,
        Verb::Set(set) => set::run(&set).await,
        Verb::Pause(queue) => act(&queue, "pause", "is paused").await,
        Verb::Resume(queue) => act(&queue, "resume", "is open").await,
        Verb::Drain(queue) => act(&queue, "drain", "accepts no new jobs").await,
        Verb::Purge(purge) => purge::empty(&purge).await,
    }
}

async fn list(server: &ServerArgs) -> Result<(), CliError> {
    let answer = Client::new(server)?.get(&["queues"], &[]).await?;
    if server.json {
        return output::line(&answer.text);
    }
    let queues = answer.json["items"].as_array().cloned().unwrap_or_default();
    let rows = queues.iter().map(|queue| {
        vec![
            cell(&queue["name"]),
            state(queue).into(),
            cell(&queue["running"]),
            available(&queue["available"]),
            available(&queue["waiting"]),
            relative(&queue["oldest_due_at"]),
            cell(&queue["worker_slots"]),
            cell(&queue["max_running"]),
            cell(&queue["max_queued"]),
        ]
    });
    output::table(
        &["NAME", "STATE", "RUNNING", "DUE", "WAITING", "OLDEST", "SLOTS", "MOST RUNNING", "MOST QUEUED"],
        rows.collect(),
    )
}

fn state(queue: &Value) -> &'static str {
    match (queue["paused_at"].is_string(), queue["draining_at"].is_string()) {
        (true, _) => "paused",
        (false, true) => "draining",
        (false, false) => "open",
    }
}

/// The server counts to 10,000 and no further.
fn available(count: &Value) -> String {
    let more = count.as_i64().is_some_and(|count| count >= 10_000);
    if more { format!("{count}+") } else { cell(count) }
}

async fn act(queue: &QueueArgs, verb: &str, done: &str) -> Result<(), CliError> {
    let answer = Client::new(&queue.server)?.post(&["queues", &queue.name, verb]).await?;
    if queue.server.json {
        return output::line(&answer.text);
    }
    output::line(&format!("queue {} {done}", queue.name))
}
