//! `tidemill serve`: runs the API, the dashboard and the maintenance of the tables.

use std::net::SocketAddr;

use clap::Args;

use super::GlobalArgs;
use super::common::error::CliError;
use super::common::settings::{DatabaseArgs, listen_flag, name_ignored};
use super::process::http;
use super::process::http::Routes;
use super::process::wait_for_database::once_it_answers;
use super::process::{Process, database_url, page_url, store_options};
use super::process::{alert_rules, schedules};
use tidemill::store::db::migrate::migrate;

/// The arguments of `tidemill serve`.
#[derive(Debug, Args)]
pub(super) struct ServeArgs {
    #[command(flatten)]
    database: DatabaseArgs,
    /// The address of the API and the dashboard; port 0 picks a free port [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
}

pub(super) async fn run(args: ServeArgs, global: &GlobalArgs) -> Result<(), CliError> {
    let config = args.database.load(global, listen_flag(args.listen, &["api", "listen"]))?;
    name_ignored(&config);
    let options = store_options(&config, database_url(&config)?)?;
    once_it_answers(|| migrate(&options)).await?;
    let mut process = Process::open(options).await?;
    let declaration = process.declare(&config, false).await?;
    schedules::write(&config, &process, &declaration).await?;
    let channels = alert_rules::declare(&config, &process, &declaration).await?;
    let (address, serving) =
        http::serve(&process, &config, config.api.listen, Routes::All, Vec::new()).await?;
    process.maintain(&config, Some(channels));
    tracing::info!("serving at {}", page_url(address));
    process.shutdown.graceful.cancelled().await;
    serving.stop().await;
    process.close().await;
    Ok(())
}
