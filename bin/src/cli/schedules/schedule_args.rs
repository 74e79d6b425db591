//! The arguments that name one schedule.

use clap::Args;

use crate::cli::common::client::ServerArgs;

/// One schedule.
#[derive(Debug, Args)]
pub(super) struct ScheduleArgs {
    /// The schedule's name
    pub(super) name: String,
    #[command(flatten)]
    pub(super) server: ServerArgs,
}
