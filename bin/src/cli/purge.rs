//! `tidemill purge`: cancels the jobs of a queue, or of all queues, that are not running. Must ask
//! for confirmation first.

use std::io::{BufRead, IsTerminal, Write, stderr, stdin};

use clap::{ArgGroup, Args};
use serde_json::Value;

use super::common::client::{Client, ServerArgs};
use super::common::error::CliError;
use super::common::output;
use super::{GlobalArgs, log};

/// The arguments of `tidemill purge` and `tidemill queues purge`.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("which").args(["name", "all"]).required(true)))]
pub(super) struct PurgeArgs {
    /// The queue's name
    name: Option<String>,
    /// All existing queues
    #[arg(long)]
    all: bool,
    /// Do not ask first
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    server: ServerArgs,
}

pub(super) async fn run(args: PurgeArgs, global: &GlobalArgs) -> Result<(), CliError> {
    log::start_quiet(global);
    empty(&args).await
}

pub(super) async fn empty(purge: &PurgeArgs) -> Result<(), CliError> {
    let client = Client::new(&purge.server)?;
    let names = match &purge.name {
        Some(name) => vec![name.clone()],
        None => all(&client).await?,
    };
    confirm(&names, purge.yes)?;
    for name in names {
        let answer = client.post(&["queues", &name, "purge"]).await?;
        if purge.name.is_some() && answer.json["purged"] == 0 {
            // Refused if there is no such queue, whose name may be misspelt.
            client.get(&["queues", &name], &[]).await?;
        }
        if purge.server.json {
            output::line(&answer.text)?;
        } else {
            let count = answer.json["purged"].as_i64().unwrap_or_default();
            output::line(&format!("queue {name} is purged: {count} jobs cancelled"))?;
        }
    }
    Ok(())
}

async fn all(client: &Client) -> Result<Vec<String>, CliError> {
    let answer = client.get(&["queues"], &[]).await?;
    let queues = answer.json["items"].as_array().cloned().unwrap_or_default();
    Ok(queues.iter().filter_map(|queue: &Value| Some(queue["name"].as_str()?.to_owned())).collect())
}

/// Asks on a terminal; elsewhere `--yes` is required, because nobody can answer.
fn confirm(names: &[String], yes: bool) -> Result<(), CliError> {
    if yes || names.is_empty() {
        return Ok(());
    }
    let all = names.join(", ");
    if !stdin().is_terminal() {
        let what = format!("purging {all} cancels its jobs that are not running; confirm with --yes");
        return Err(CliError::Usage(what));
    }
    write!(stderr(), "Cancel all jobs of {all} that are not running? [y/N] ")?;
    let mut answer = String::new();
    stdin().lock().read_line(&mut answer)?;
    match answer.trim() {
        "y" | "Y" | "yes" => Ok(()),
        _ => Err(CliError::Failed("nothing was purged".into())),
    }
}
