//! Writes the rules of the kinds that remote workers run, as the config has them. Must never change
//! those of a kind that a command, a URL or Rust code runs.

use super::failed;
use crate::cli::common::error::CliError;
use crate::config::{Config, RunSection};
use tidemill::store::Store;

/// Writes the rules of every `[kinds.NAME]` with `remote = true`.
pub(crate) async fn remote(store: &Store, config: &Config) -> Result<(), CliError> {
    for (name, kind) in config.kinds.iter().filter(|(_, kind)| kind.run == RunSection::Remote) {
        if let Some(source) = store.set_remote_kind(name, &kind.settings).await.map_err(failed)? {
            tracing::warn!(
                kind = name,
                source,
                "workers register this kind as their own, so the rules of the config are not written"
            );
        }
    }
    Ok(())
}
