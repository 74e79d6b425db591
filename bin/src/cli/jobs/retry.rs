//! `tidemill jobs retry`: gives a job one more attempt at once.

use super::{JobArgs, act};
use crate::cli::error::CliError;

pub(super) async fn run(args: JobArgs) -> Result<(), CliError> {
    act(&args, "retry").await
}
