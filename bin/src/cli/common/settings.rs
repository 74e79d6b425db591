//! Loads the config of a server: chooses the file and applies the flags that override it.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

use super::error::CliError;
use super::global_args::GlobalArgs;
use crate::cli::log;
use crate::config::{Config, LogFormat, Sources};
use tidemill::job::document::lead_under;
use tidemill::secrecy;
use tidemill_settings::source::Flag;

/// The options of commands that work on a database.
#[derive(Debug, Args)]
pub(crate) struct DatabaseArgs {
    /// The config file [default: tidemill.toml, .yaml or .yml in the working folder]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// The Postgres that holds the jobs; prefer `TIDEMILL_DATABASE__URL`, because other users can
    /// see a command line
    #[arg(long, value_name = "URL")]
    pub(crate) database_url: Option<String>,
}

impl DatabaseArgs {
    /// Loads the config with these flags and `more`, and starts the log.
    pub(crate) fn load(self, global: &GlobalArgs, mut more: Vec<Flag>) -> Result<Config, CliError> {
        if let Some(url) = self.database_url {
            more.push(Flag::new("--database-url", &["database", "url"], url));
        }
        load(self.config, global, more)
    }
}

/// Loads the config and starts the log.
pub(crate) fn load(
    file: Option<PathBuf>,
    global: &GlobalArgs,
    mut flags: Vec<Flag>,
) -> Result<Config, CliError> {
    if let Some(format) = global.log_format {
        let format = if format == LogFormat::Json { "json" } else { "text" };
        flags.push(Flag::new("--log-format", &["log", "format"], format));
    }
    if let Some(filter) = log::verbose_filter(global.verbose) {
        flags.push(Flag::new("--verbose", &["log", "filter"], filter));
    }
    let config = Config::load(&Sources::of_process(file, flags, global.extensions.clone())?)?;
    // They have been read; programs started by this process must not find them.
    secrecy::forget_variables();
    log::start(&config.log);
    if let Some(base) = &config.api.base_path {
        lead_under(&base.0);
    }
    Ok(config)
}

/// The flag `--listen` for the setting under `key`.
pub(crate) fn listen_flag(listen: Option<SocketAddr>, key: &[&str]) -> Vec<Flag> {
    listen.map(|address| Flag::new("--listen", key, address.to_string())).into_iter().collect()
}

/// Says once which variables of other systems, and which of their entries, mean nothing here; never what they hold.
pub(crate) fn name_ignored(config: &Config) {
    if !config.ignored.is_empty() {
        tracing::info!("{}", of_others(&config.ignored));
    }
}

/// What is said of what is `ignored`.
pub(crate) fn of_others(ignored: &[String]) -> String {
    let names = super::output::printable(&ignored.join(", "));
    format!("ignored, because tidemill has no such settings (docs/configuration.md lists all): {names}")
}
