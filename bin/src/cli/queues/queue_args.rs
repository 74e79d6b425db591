//! The arguments that name one queue.

use clap::Args;

use crate::cli::common::client::ServerArgs;

/// One queue.
#[derive(Debug, Args)]
pub(super) struct QueueArgs {
    /// The queue's name
    pub(super) name: String,
    #[command(flatten)]
    pub(super) server: ServerArgs,
}
