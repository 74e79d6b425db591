//! `tidemill jobs retry`: one more attempt, now.

use super::{JobArgs, act};
use crate::cli::error::CliError;

pub(super) async fn run(args: JobArgs) -> Result<(), CliError> {
    act(&args, "retry").await
}
