//! `tidemill queues`: the lanes; lists, pauses, resumes, drains and purges them.

use std::io::{BufRead, IsTerminal, Write, stderr, stdin};

use clap::{Args, Subcommand};
use serde_json::Value;

use super::client::{Client, ServerArgs};
use super::error::CliError;
use super::output::{self, cell};
use super::time::relative;
use super::{GlobalArgs, logging};

/// What `tidemill queues` takes.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct QueuesArgs {
    #[command(subcommand)]
    verb: Option<Verb>,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List the queues (the default)
    List(ServerArgs),
    /// Claim nothing from a queue until it is resumed
    Pause(QueueArgs),
    /// End a pause or a drain
    Resume(QueueArgs),
    /// Take no new jobs into a queue until it is resumed
    Drain(QueueArgs),
    /// Cancel all jobs of a queue that do not run
    Purge(PurgeArgs),
}

/// What `tidemill purge` and `tidemill queues purge` take.
#[derive(Debug, Args)]
pub(super) struct PurgeArgs {
    #[command(flatten)]
    queue: QueueArgs,
    /// Do not ask first
    #[arg(long)]
    yes: bool,
}

#[derive(Debug, Args)]
struct QueueArgs {
    /// The queue's name
    name: String,
    #[command(flatten)]
    server: ServerArgs,
}

pub(super) async fn run(args: QueuesArgs, global: &GlobalArgs) -> Result<(), CliError> {
    logging::start_quiet(global);
    match args.verb.unwrap_or(Verb::List(args.server)) {
        Verb::List(server) => list(&server).await,
        Verb::Pause(queue) => act(&queue, "pause", "is paused").await,
        Verb::Resume(queue) => act(&queue, "resume", "is open").await,
        Verb::Drain(queue) => act(&queue, "drain", "takes no new jobs").await,
        Verb::Purge(purge) => empty(&purge).await,
    }
}

/// `tidemill purge`.
pub(super) async fn purge(args: PurgeArgs, global: &GlobalArgs) -> Result<(), CliError> {
    logging::start_quiet(global);
    empty(&args).await
}

async fn empty(purge: &PurgeArgs) -> Result<(), CliError> {
    confirm_purge(&purge.queue.name, purge.yes)?;
    act(&purge.queue, "purge", "is purged").await
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
            cell(&queue["slots"]),
            cell(&queue["max_running"]),
        ]
    });
    output::table(
        &["NAME", "STATE", "RUNNING", "DUE", "WAITING", "OLDEST", "SLOTS", "MOST RUNNING"],
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
    let purged = answer.json["purged"].as_i64().map(|count| format!(": {count} jobs cancelled"));
    output::line(&format!("queue {} {done}{}", queue.name, purged.unwrap_or_default()))
}

/// Asks on a terminal; elsewhere nobody can answer, so `--yes` must be said.
fn confirm_purge(name: &str, yes: bool) -> Result<(), CliError> {
    if yes {
        return Ok(());
    }
    if !stdin().is_terminal() {
        return Err(CliError::Usage(format!(
            "purging queue {name} cancels its jobs; say --yes if you mean it"
        )));
    }
    write!(stderr(), "Cancel all jobs of queue {name} that do not run? [y/N] ")?;
    let mut answer = String::new();
    stdin().lock().read_line(&mut answer)?;
    match answer.trim() {
        "y" | "Y" | "yes" => Ok(()),
        _ => Err(CliError::Failed("nothing was purged".into())),
    }
}
