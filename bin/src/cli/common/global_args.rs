//! The options of every command.

use clap::Args;
use tidemill_settings::configured::Extensions;

use crate::config::LogFormat;

/// The options of every command.
#[derive(Debug, Args)]
pub struct GlobalArgs {
    /// The format of log lines
    #[arg(long, global = true, value_enum)]
    pub(crate) log_format: Option<LogFormat>,
    /// Log more: -v debug, -vv trace
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    /// What the program around the command line adds
    #[arg(skip)]
    pub(crate) extensions: Extensions,
}
