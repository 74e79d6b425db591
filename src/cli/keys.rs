//! `tidemill keys`: makes, lists and revokes API keys, in the database itself, so that the first key
//! needs no other. A key must be shown once, when it is made, and never again.

use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

use super::GlobalArgs;
use super::error::CliError;
use super::settings::DatabaseArgs;

/// What `tidemill keys` takes.
#[derive(Debug, Args)]
pub(super) struct KeysArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Make a key and show it, this once
    Create {
        #[command(flatten)]
        database: DatabaseArgs,
        /// What it may do; repeatable, or several with commas
        #[arg(long = "scope", value_enum, value_delimiter = ',', required = true)]
        scopes: Vec<Scope>,
        /// What people call it
        #[arg(long, default_value = "")]
        name: String,
        /// It ends after this, such as 90d [default: never]
        #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
        expires_in: Option<Duration>,
        /// Answer JSON
        #[arg(long)]
        json: bool,
    },
    /// List the keys; what they are is not kept
    List {
        #[command(flatten)]
        database: DatabaseArgs,
        /// Answer JSON
        #[arg(long)]
        json: bool,
    },
    /// End a key at once
    Revoke {
        #[command(flatten)]
        database: DatabaseArgs,
        /// The key's id, as `keys list` shows it
        id: String,
    },
}

/// What a key allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Scope {
    /// Put jobs into queues
    Enqueue,
    /// Look at everything
    Read,
    /// Claim and run jobs as a remote worker
    Work,
    /// Everything
    Admin,
}

pub(super) async fn run(args: KeysArgs, global: &GlobalArgs) -> Result<(), CliError> {
    let told = match args.verb {
        Verb::Create { database, scopes, name, expires_in, json } => {
            let _config = database.load(global, vec![])?;
            format!("{scopes:?} {name} {expires_in:?} {json}")
        }
        Verb::List { database, json } => {
            let _config = database.load(global, vec![])?;
            format!("{json}")
        }
        Verb::Revoke { database, id } => {
            let _config = database.load(global, vec![])?;
            id
        }
    };
    Err(CliError::Failed(format!("keys: not wired yet ({told})")))
}
