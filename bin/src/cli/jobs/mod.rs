//! `tidemill jobs`: reads jobs and acts on them through the API of a running server.

mod action;
mod cancel;
mod change;
mod delete;
mod follow;
mod fork;
mod history;
mod job_args;
mod list;
mod redrive;
mod retry;
mod run_now;
mod show;
mod signal;
pub(super) mod tail;
mod view;

use clap::{Args, Subcommand};

use self::job_args::JobArgs;
use super::common::error::CliError;
use super::{GlobalArgs, log};

/// The arguments of `tidemill jobs`.
#[derive(Debug, Args)]
pub(super) struct JobsArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List jobs, newest first
    List(list::ListArgs),
    /// Show one job
    Show(JobArgs),
    /// Follow a job's progress and log until it has finished
    Tail(JobArgs),
    /// Cancel a job, even while it is running
    Cancel(JobArgs),
    /// Retry a finished job, or run a job that waits for its retry at once
    Retry(JobArgs),
    /// Make a job that is not due yet due at once
    RunNow(JobArgs),
    /// Put off a job that is not running
    Snooze(change::SnoozeArgs),
    /// Change the priority, queue, time, number of attempts or tags of a job that is not running
    Change(change::ChangeArgs),
    /// Delete a job that is not running, with all its history
    Delete(JobArgs),
    /// List a job's recorded attempts: those that failed, and those with details
    Attempts(JobArgs),
    /// List a job's checkpoints
    Steps(JobArgs),
    /// List the signals that a job received
    Signals(JobArgs),
    /// Retry all failed jobs that match a filter
    Redrive(redrive::RedriveArgs),
    /// Send a signal to a job that waits for it
    Signal(signal::SignalArgs),
    /// Enqueue the same work again, starting at a step
    Fork(fork::ForkArgs),
}

pub(super) async fn run(args: JobsArgs, global: &GlobalArgs) -> Result<(), CliError> {
    log::start_quiet(global);
    match args.verb {
        Verb::List(args) => list::run(args).await,
        Verb::Show(args) => show::run(args).await,
        Verb::Tail(args) => tail::run(args).await,
        Verb::Cancel(args) => cancel::run(args).await,
        Verb::Retry(args) => retry::run(args).await,
        Verb::RunNow(args) => run_now::run(args).await,
        Verb::Snooze(args) => change::snooze(args).await,
        Verb::Change(args) => change::change(args).await,
        Verb::Delete(args) => delete::run(args).await,
        Verb::Attempts(args) => history::attempts(args).await,
        Verb::Steps(args) => history::steps(args).await,
        Verb::Signals(args) => history::signals(args).await,
        Verb::Redrive(args) => redrive::run(args).await,
        Verb::Signal(args) => signal::run(args).await,
        Verb::Fork(args) => fork::run(args).await,
    }
}
