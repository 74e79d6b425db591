//! `tidemill jobs tail`: follows a job until it has finished; its outcome sets the exit code.

use super::follow::Follower;
use super::job_args::JobArgs;
use super::view::View;
use crate::cli::common::client::Client;
use crate::cli::common::error::CliError;

pub(super) async fn run(args: JobArgs) -> Result<(), CliError> {
    follow_job(&Client::new(&args.server)?, &args.id, args.server.json).await
}

/// Follows the job; an error unless it completes.
pub(in crate::cli) async fn follow_job(client: &Client, id: &str, json: bool) -> Result<(), CliError> {
    let end = Follower::new(client, id, View::new(json)).run().await?;
    match end.state.as_str() {
        "completed" => Ok(()),
        state => {
            let why = end.error.map(|message| format!(": {message}")).unwrap_or_default();
            let article = if state == "failed" { "" } else { "was " };
            Err(CliError::JobEnded(format!("job {id} {article}{state}{why}")))
        }
    }
}
