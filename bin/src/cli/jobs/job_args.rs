//! The arguments that name one job.

use clap::Args;

use crate::cli::common::client::ServerArgs;

/// One job.
#[derive(Debug, Args)]
pub(super) struct JobArgs {
    /// The job's id, or execution:NAME
    pub(super) id: String,
    #[command(flatten)]
    pub(super) server: ServerArgs,
}
