//! `tidemill jobs delete`: deletes a job that is not running, with its history.

use reqwest::Method;

use super::job_args::JobArgs;
use crate::cli::common::client::Client;
use crate::cli::common::error::CliError;
use crate::cli::common::output;

pub(super) async fn run(args: JobArgs) -> Result<(), CliError> {
    let client = Client::new(&args.server)?;
    client.ask(client.request(Method::DELETE, &["jobs", &args.id])).await?;
    if args.server.json {
        return Ok(());
    }
    output::line(&format!("job {} is deleted", args.id))
}
