//! `tidemill jobs run-now`: makes a job that waits for its time due at once.

use super::{JobArgs, act};
use crate::cli::error::CliError;

pub(super) async fn run(args: JobArgs) -> Result<(), CliError> {
    act(&args, "run-now").await
}
