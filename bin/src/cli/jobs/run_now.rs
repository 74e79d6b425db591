//! `tidemill jobs run-now`: makes a job that waits for its time due at once.

use super::action::act;
use super::job_args::JobArgs;
use crate::cli::common::error::CliError;

pub(super) async fn run(args: JobArgs) -> Result<(), CliError> {
    act(&args, "run-now").await
}
