//! `tidemill jobs cancel`: cancels a waiting job at once and asks a running job to stop.

use super::action::act;
use super::job_args::JobArgs;
use crate::cli::common::error::CliError;

pub(super) async fn run(args: JobArgs) -> Result<(), CliError> {
    act(&args, "cancel").await
}
