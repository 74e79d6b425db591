//! `tidemill operations`: previews, starts, shows, cancels and undoes actions on all jobs that match
//! a filter. With `--dry-run` it must only count the jobs.

mod list;
mod show;
mod start;

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::json;

use super::common::client::{Client, ServerArgs};
use super::common::error::CliError;
use super::{GlobalArgs, log};

/// The arguments of `tidemill operations`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct OperationsArgs {
    #[command(subcommand)]
    verb: Option<Verb>,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List operations, newest first (the default)
    List(ServerArgs),
    /// Act on all jobs that match a filter, or only count them
    Start(Box<start::StartArgs>),
    /// Show an operation with its report
    Show(IdArgs),
    /// Stop an operation; jobs that it has already changed stay changed
    Cancel(IdArgs),
    /// Restore the jobs that an operation cancelled, moved or gave another priority
    Undo(UndoArgs),
}

#[derive(Debug, Args)]
struct IdArgs {
    /// Its id
    id: String,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, Args)]
struct UndoArgs {
    #[command(flatten)]
    operation: IdArgs,
    /// The maximum rate, such as 200/min
    #[arg(long)]
    rate: Option<String>,
}

pub(super) async fn run(args: OperationsArgs, global: &GlobalArgs) -> Result<(), CliError> {
    log::start_quiet(global);
    match args.verb.unwrap_or(Verb::List(args.server)) {
        Verb::List(server) => list::run(&server).await,
        Verb::Start(args) => start::run(*args).await,
        Verb::Show(IdArgs { id, server }) => {
            let answer = Client::new(&server)?.get(&["operations", &id], &[]).await?;
            show::print(&answer, &server)
        }
        Verb::Cancel(IdArgs { id, server }) => {
            let client = Client::new(&server)?;
            let answer = client.ask(client.request(Method::POST, &["operations", &id, "cancel"])).await?;
            show::print(&answer, &server)
        }
        Verb::Undo(UndoArgs { operation: IdArgs { id, server }, rate }) => {
            let client = Client::new(&server)?;
            let request = client.request(Method::POST, &["operations", &id, "undo"]);
            let answer = client.ask(request.json(&json!({ "rate": rate }))).await?;
            show::print(&answer, &server)
        }
    }
}
