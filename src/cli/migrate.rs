//! `tidemill migrate`: brings the database's tables up to date.

use clap::Args;

use super::GlobalArgs;
use super::error::CliError;
use super::settings::DatabaseArgs;

/// What `tidemill migrate` takes.
#[derive(Debug, Args)]
pub(super) struct MigrateArgs {
    #[command(flatten)]
    database: DatabaseArgs,
}

pub(super) async fn run(args: MigrateArgs, global: &GlobalArgs) -> Result<(), CliError> {
    let _config = args.database.load(global, vec![])?;
    Err(CliError::Failed("migrate: not wired yet".into()))
}
