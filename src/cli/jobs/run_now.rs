//! `tidemill jobs run-now`: one that is not due yet is due at once.

use super::{JobArgs, act};
use crate::cli::error::CliError;

pub(super) async fn run(args: JobArgs) -> Result<(), CliError> {
    act(&args, "run-now").await
}
