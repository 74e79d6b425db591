//! `tidemill dev`: everything in one process.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

use super::error::CliError;
use super::{GlobalArgs, settings};

/// What `tidemill dev` takes.
#[derive(Debug, Args)]
pub(super) struct DevArgs {
    /// The config file [default: tidemill.toml, .yaml or .yml in the working folder]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where the API and the dashboard listen; port 0 picks a free one [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
    /// Where the embedded Postgres and urls.json are kept
    #[arg(long, value_name = "DIR", default_value = ".tidemill")]
    data_dir: PathBuf,
}

pub(super) async fn run(args: DevArgs, global: &GlobalArgs) -> Result<(), CliError> {
    let _config =
        settings::load(args.config, global, settings::listen_flag(args.listen, &["api", "listen"]))?;
    Err(CliError::Failed(format!("dev in {}: not wired yet", args.data_dir.display())))
}
