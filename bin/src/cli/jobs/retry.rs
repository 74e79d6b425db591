//! `tidemill jobs retry`: gives a job one more attempt at once.

use super::action::act;
use super::job_args::JobArgs;
use crate::cli::common::error::CliError;

pub(super) async fn run(args: JobArgs) -> Result<(), CliError> {
    act(&args, "retry").await
}
