//! `tidemill workflows`: lists and shows workflows, enqueues one from a file, cancels and retries
//! them.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::Value;

use super::common::client::{Client, ServerArgs};
use super::common::error::CliError;
use super::common::output::{self, cell};
use super::common::time::relative;
use super::{GlobalArgs, log};

/// The arguments of `tidemill workflows`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct WorkflowsArgs {
    #[command(subcommand)]
    verb: Option<Verb>,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List workflows, newest first (the default)
    List(ServerArgs),
    /// Enqueue a workflow
    Start {
        /// A file with the workflow as JSON, in the format of POST /api/v1/workflows
        file: PathBuf,
        #[command(flatten)]
        server: ServerArgs,
    },
    /// Show a workflow's jobs
    Show(WorkflowArgs),
    /// Cancel all unfinished jobs of a workflow
    Cancel(WorkflowArgs),
    /// Retry the failed jobs of a workflow, and the jobs that waited for them
    Retry(WorkflowArgs),
}

/// One workflow.
#[derive(Debug, Args)]
struct WorkflowArgs {
    /// Its id, or execution:NAME
    id: String,
    #[command(flatten)]
    server: ServerArgs,
}

pub(super) async fn run(args: WorkflowsArgs, global: &GlobalArgs) -> Result<(), CliError> {
    log::start_quiet(global);
    match args.verb.unwrap_or(Verb::List(args.server)) {
        Verb::List(server) => list(&server).await,
        Verb::Start { file, server } => start(&file, &server).await,
        Verb::Show(args) => show(&args).await,
        Verb::Cancel(args) => act(&args, "cancel").await,
        Verb::Retry(args) => act(&args, "retry").await,
    }
}

async fn list(server: &ServerArgs) -> Result<(), CliError> {
    let answer = Client::new(server)?.get(&["workflows"], &[]).await?;
    if server.json {
        return output::line(&answer.text);
    }
    let items = answer.json["items"].as_array().cloned().unwrap_or_default();
    let row = |workflow: &Value| {
        vec![
            cell(&workflow["id"]),
            cell(&workflow["name"]),
            cell(&workflow["status"]),
            format!("{} of {}", workflow["done"], workflow["members"]),
            relative(&workflow["created_at"]),
        ]
    };
    output::table(&["ID", "NAME", "STATUS", "DONE", "ENQUEUED"], items.iter().map(row).collect())
}

async fn start(file: &PathBuf, server: &ServerArgs) -> Result<(), CliError> {
    let name = file.display();
    let text = std::fs::read_to_string(file)
        .map_err(|error| CliError::Usage(format!("{name}: cannot be read: {error}")))?;
    let client = Client::new(server)?;
    let request = client.request(Method::POST, &["workflows"]).header("Content-Type", "application/json");
    let answer = client.ask(request.body(text)).await?;
    output::line(&if server.json { answer.text } else { cell(&answer.json["id"]) })
}

async fn show(args: &WorkflowArgs) -> Result<(), CliError> {
    let answer = Client::new(&args.server)?.get(&["workflows", &args.id], &[]).await?;
    if args.server.json {
        return output::line(&answer.text);
    }
    let jobs = answer.json["jobs"].as_array().cloned().unwrap_or_default();
    let row = |job: &Value| {
        let after = job["after"].as_array().cloned().unwrap_or_default();
        vec![
            cell(&job["name"]),
            cell(&job["kind"]),
            cell(&job["status"]),
            after.iter().map(cell).collect::<Vec<_>>().join(", "),
            cell(&job["error"]),
            cell(&job["id"]),
        ]
    };
    output::table(&["NAME", "KIND", "STATUS", "AFTER", "ERROR", "ID"], jobs.iter().map(row).collect())
}

async fn act(args: &WorkflowArgs, verb: &str) -> Result<(), CliError> {
    let answer = Client::new(&args.server)?.post(&["workflows", &args.id, verb]).await?;
    if args.server.json {
        return output::line(&answer.text);
    }
    let asked = verb == "cancel" && answer.json["state"] == "waiting";
    let status = if asked { "being cancelled".to_owned() } else { cell(&answer.json["status"]) };
    output::line(&format!("workflow {} is {status}", args.id))
}
