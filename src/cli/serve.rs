//! `tidemill serve`: the API, the dashboard and what keeps the tables in order.

use std::net::SocketAddr;

use clap::Args;

use super::GlobalArgs;
use super::error::CliError;
use super::settings::{DatabaseArgs, listen_flag};

/// What `tidemill serve` takes.
#[derive(Debug, Args)]
pub(super) struct ServeArgs {
    #[command(flatten)]
    database: DatabaseArgs,
    /// Where the API and the dashboard listen; port 0 picks a free one [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
}

pub(super) async fn run(args: ServeArgs, global: &GlobalArgs) -> Result<(), CliError> {
    let _config = args.database.load(global, listen_flag(args.listen, &["api", "listen"]))?;
    Err(CliError::Failed("serve: not wired yet".into()))
}
