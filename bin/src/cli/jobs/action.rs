//! One action on one job: `cancel`, `retry` or `run-now`.

use super::job_args::JobArgs;
use crate::cli::common::client::Client;
use crate::cli::common::error::CliError;
use crate::cli::common::output::{self, cell};

/// Posts an action and prints the new state of the job.
pub(super) async fn act(args: &JobArgs, verb: &str) -> Result<(), CliError> {
    let answer = Client::new(&args.server)?.post(&["jobs", &args.id, verb]).await?;
    if args.server.json {
        return output::line(&answer.text);
    }
    let job = answer.json.get("job").unwrap_or(&answer.json);
    let asked = job["state"] == "running" && job["cancel_requested_at"].is_string();
    let status = if asked { "running, asked to stop".to_owned() } else { cell(&job["status"]) };
    output::line(&format!("job {} is {status}", args.id))
}
