//! `tidemill jobs fork`: enqueues the same work again as a new job, starting at a step.

use clap::Args;
use reqwest::Method;
use serde_json::json;

use crate::cli::common::client::{Client, ServerArgs};
use crate::cli::common::error::CliError;
use crate::cli::common::output::{self, cell};

/// The arguments of `tidemill jobs fork`.
#[derive(Debug, Args)]
pub(super) struct ForkArgs {
    /// The job's id, or execution:NAME
    id: String,
    /// The first step that runs again [default: none; all checkpoints are kept]
    #[arg(long, value_name = "STEP")]
    from_step: Option<String>,
    #[command(flatten)]
    server: ServerArgs,
}

pub(super) async fn run(args: ForkArgs) -> Result<(), CliError> {
    let client = Client::new(&args.server)?;
    let body = args.from_step.map_or_else(|| json!({}), |step| json!({ "from_step": step }));
    let answer = client.ask(client.request(Method::POST, &["jobs", &args.id, "fork"]).json(&body)).await?;
    output::line(&if args.server.json { answer.text } else { cell(&answer.json["id"]) })
}
