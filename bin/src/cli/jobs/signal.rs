//! `tidemill jobs signal`: sends a signal to a job that waits for it now or later.

use clap::Args;
use reqwest::Method;
use serde_json::{Value, json};

use crate::cli::common::client::{Client, ServerArgs};
use crate::cli::common::error::CliError;
use crate::cli::common::json::read;
use crate::cli::common::output::{self, cell};

/// The arguments of `tidemill jobs signal`.
#[derive(Debug, Args)]
pub(super) struct SignalArgs {
    /// The job's id, or execution:NAME
    id: String,
    /// The signal's name
    name: String,
    /// The payload as JSON
    payload: Option<String>,
    #[command(flatten)]
    server: ServerArgs,
}

pub(super) async fn run(args: SignalArgs) -> Result<(), CliError> {
    let payload: Option<Value> = args
        .payload
        .as_deref()
        .map(|text| read(text).map_err(|error| CliError::Usage(format!("{text:?}: {error}"))))
        .transpose()?;
    let client = Client::new(&args.server)?;
    let request = client.request(Method::POST, &["jobs", &args.id, "signals", &args.name]);
    let answer = client.ask(request.json(&json!({ "payload": payload }))).await?;
    if args.server.json {
        return output::line(&answer.text);
    }
    output::line(&format!("signal {} is {}", args.name, cell(&answer.json["outcome"])))
}
