//! `tidemill config`: prints the effective settings and the source of each. Starts nothing; reports
//! what would stop a start.

use std::path::PathBuf;

use clap::Args;

use super::common::error::CliError;
use super::common::output;
use super::{GlobalArgs, log};
use crate::config::{Config, Sources};

/// The arguments of `tidemill config`.
#[derive(Debug, Args)]
pub(super) struct ConfigArgs {
    /// The config file [default: tidemill.toml, .yaml or .yml in the working folder]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Only settings that differ from their default
    #[arg(long)]
    changed: bool,
    /// As JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: ConfigArgs, global: &GlobalArgs) -> Result<(), CliError> {
    log::start_quiet(global);
    let sources = Sources::of_process(args.config, Vec::new(), global.extensions.clone())?;
    let ignored = Config::load(&sources)?.ignored;
    let mut settings = Config::effective(&sources)?;
    settings.retain(|setting| !args.changed || !setting.is_default());
    if args.json {
        let text = serde_json::to_string(&settings).map_err(super::process::failed)?;
        output::line(&text)?;
        if !ignored.is_empty() {
            eprintln!("tidemill: {}", super::common::settings::of_others(&ignored));
        }
        return Ok(());
    }
    for setting in settings {
        let value = output::printable(setting.value.as_deref().unwrap_or("–")).replace('\n', " ");
        output::line(&format!("{} = {value}  # {}", setting.key, setting.source))?;
    }
    if !ignored.is_empty() {
        output::line(&format!("# {}", super::common::settings::of_others(&ignored)))?;
    }
    Ok(())
}
