//! `tidemill jobs run-now`: a job that waits for its time is due.

use super::{JobArgs, act};
use crate::cli::error::CliError;

pub(super) async fn run(args: JobArgs) -> Result<(), CliError> {
    act(&args, "run-now").await
}
