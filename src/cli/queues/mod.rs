//! `tidemill queues`: the lanes; lists, sizes, pauses, resumes, drains and purges them.

mod set;
mod show;

use std::io::{BufRead, IsTerminal, Write, stderr, stdin};

use clap::{Args, Subcommand};
use serde_json::Value;

use crate::cli::client::{Client, ServerArgs};
use crate::cli::error::CliError;
use crate::cli::output::{self, cell};
use crate::cli::time::relative;
use crate::cli::{GlobalArgs, logging};

/// What `tidemill queues` takes.
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
    /// Change how many jobs of a queue may wait, run and start; what is left out stays, `none` takes a setting away
    Set(set::SetArgs),
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
pub(in crate::cli) struct PurgeArgs {
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

pub(in crate::cli) async fn run(args: QueuesArgs, global: &GlobalArgs) -> Result<(), CliError> {
    logging::start_quiet(global);
    match args.verb.unwrap_or(Verb::List(args.server)) {
        Verb::List(server) => list(&server).await,
        Verb::Show(queue) => show::run(&queue).await,
        Verb::Set(set) => set::run(&set).await,
        Verb::Pause(queue) => act(&queue, "pause", "is paused").await,
        Verb::Resume(queue) => act(&queue, "resume", "is open").await,
        Verb::Drain(queue) => act(&queue, "drain", "takes no new jobs").await,
        Verb::Purge(purge) => empty(&purge).await,
    }
}

/// `tidemill purge`.
pub(in crate::cli) async fn purge(args: PurgeArgs, global: &GlobalArgs) -> Result<(), CliError> {
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
