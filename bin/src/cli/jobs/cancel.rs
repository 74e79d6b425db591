//! `tidemill jobs cancel`: a job that waits ends at once, a running one is asked to.

use super::{JobArgs, act};
use crate::cli::error::CliError;

pub(super) async fn run(args: JobArgs) -> Result<(), CliError> {
    act(&args, "cancel").await
}
