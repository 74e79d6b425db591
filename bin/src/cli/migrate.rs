//! `tidemill migrate`: creates or updates the tables in the database.

use clap::Args;

use super::GlobalArgs;
use super::common::error::CliError;
use super::common::output;
use super::common::settings::DatabaseArgs;
use super::process;
use tidemill::store;

/// The arguments of `tidemill migrate`.
#[derive(Debug, Args)]
pub(super) struct MigrateArgs {
    #[command(flatten)]
    database: DatabaseArgs,
}

pub(super) async fn run(args: MigrateArgs, global: &GlobalArgs) -> Result<(), CliError> {
    let config = args.database.load(global, vec![])?;
    let options = process::store_options(&config, process::database_url(&config)?)?;
    store::db::migrate::migrate(&options).await.map_err(process::failed)?;
    output::line(&format!("schema {} is up to date", options.schema))
}
