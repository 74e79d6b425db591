//! `tidemill queues`: lists, sizes, pauses, resumes, drains and purges queues.

mod list;
mod queue_args;
mod set;
mod show;

use clap::{Args, Subcommand};

use self::queue_args::QueueArgs;
use super::log;
use crate::cli::common::client::{Client, ServerArgs};
use crate::cli::common::error::CliError;
use crate::cli::common::output;
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
    /// Cancel all jobs that are not running, of one queue or of all queues
    Purge(purge::PurgeArgs),
}

pub(in crate::cli) async fn run(args: QueuesArgs, global: &GlobalArgs) -> Result<(), CliError> {
    log::start_quiet(global);
    match args.verb.unwrap_or(Verb::List(args.server)) {
        Verb::List(server) => list::list(&server).await,
        Verb::Show(queue) => show::run(&queue).await,
        Verb::Set(set) => set::run(&set).await,
        Verb::Pause(queue) => act(&queue, "pause", "is paused").await,
        Verb::Resume(queue) => act(&queue, "resume", "is open").await,
        Verb::Drain(queue) => act(&queue, "drain", "accepts no new jobs").await,
        Verb::Purge(purge) => purge::empty(&purge).await,
    }
}

async fn act(queue: &QueueArgs, verb: &str, done: &str) -> Result<(), CliError> {
    let answer = Client::new(&queue.server)?.post(&["queues", &queue.name, verb]).await?;
    if queue.server.json {
        return output::line(&answer.text);
    }
    output::line(&format!("queue {} {done}", queue.name))
}
