//! `tidemill keys`: creates, lists and revokes API keys directly in the database, so that the first
//! key needs no other key. A key must be shown once, when it is created, and never again.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;

use super::GlobalArgs;
use super::common::client::url_of_dev;
use super::common::error::CliError;
use super::common::output;
use super::common::settings::DatabaseArgs;
use super::process::{database_url, failed, store_options};
use tidemill::api::server::auth::api_key::ApiKey;
use tidemill::store::Store;
use tidemill::store::db::migrate::migrate;

/// The arguments of `tidemill keys`.
#[derive(Debug, Args)]
pub(super) struct KeysArgs {
    #[command(subcommand)]
    verb: Verb,
    #[command(flatten)]
    data_dir: DataDir,
}

/// Where `tidemill dev` keeps its data.
#[derive(Debug, Args)]
pub(super) struct DataDir {
    /// The data folder of `tidemill dev`: its database is used if the config names none
    #[arg(long, global = true, value_name = "DIR", default_value = ".tidemill")]
    data_dir: PathBuf,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Create a key and show it once
    Create {
        #[command(flatten)]
        database: DatabaseArgs,
        /// A scope of the key; repeatable, or several separated by commas
        #[arg(long = "scope", value_enum, value_delimiter = ',', required = true)]
        scopes: Vec<Scope>,
        /// The name of the key
        #[arg(long, default_value = "")]
        name: String,
        /// The time until the key expires, such as 90d [default: never]
        #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
        expires_in: Option<Duration>,
        /// Answer JSON
        #[arg(long)]
        json: bool,
    },
    /// List the keys; the secret keys themselves are not stored
    List {
        #[command(flatten)]
        database: DatabaseArgs,
        /// Answer JSON
        #[arg(long)]
        json: bool,
    },
    /// Revoke a key at once
    Revoke {
        #[command(flatten)]
        database: DatabaseArgs,
        /// The key's id, as `keys list` shows it
        id: String,
    },
}

/// The scopes of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Scope {
    /// Enqueue jobs
    Enqueue,
    /// Read everything
    Read,
    /// Claim and run jobs as a remote worker
    Work,
    /// Everything
    Admin,
}

pub(super) async fn run(args: KeysArgs, global: &GlobalArgs) -> Result<(), CliError> {
    let data_dir = &args.data_dir;
    match args.verb {
        Verb::Create { database, scopes, name, expires_in, json } => {
            let store = open(database, data_dir, global).await?;
            let key = ApiKey::generate();
            let scopes: Vec<String> = scopes.iter().map(|scope| scope.word().to_owned()).collect();
            let expires_in_seconds = expires_in.map(|duration| duration.as_secs_f64());
            store
                .create_api_key(key.id(), &name, &scopes, &key.hash(), expires_in_seconds)
                .await
                .map_err(failed)?;
            if json {
                let made = json!({ "id": key.id(), "key": key.reveal(), "scopes": scopes, "name": name });
                output::line(&made.to_string())?;
            } else {
                output::note("This key is shown only once; from now on every request needs a key:");
                output::line(key.reveal())?;
            }
        }
        Verb::List { database, json } => list(&open(database, data_dir, global).await?, json).await?,
        Verb::Revoke { database, id } => {
            let store = open(database, data_dir, global).await?;
            if !store.revoke_api_key(&id).await.map_err(failed)? {
                return Err(CliError::Failed(format!(
                    "no API key has the id {id:?}; `tidemill keys list` shows all"
                )));
            }
            output::line(&format!("revoked {id}"))?;
        }
    }
    Ok(())
}

/// The store, migrated: the first key is often created before the first start.
pub(super) async fn open(
    database: DatabaseArgs,
    DataDir { data_dir }: &DataDir,
    global: &GlobalArgs,
) -> Result<Store, CliError> {
    let config = database.load(global, vec![])?;
    let url = match &config.database.url {
        Some(url) => url.0.clone(),
        None => url_of_dev(data_dir, "database")?.map_or_else(|| database_url(&config), Ok)?,
    };
    let options = store_options(&config, url)?;
    migrate(&options).await.map_err(failed)?;
    Store::connect(options).map_err(failed)
}

async fn list(store: &Store, json: bool) -> Result<(), CliError> {
    let keys = store.api_keys().await.map_err(failed)?;
    if json {
        let keys: Vec<_> = keys
            .iter()
            .map(|key| {
                json!({
                    "id": key.id, "name": key.name, "scopes": key.scopes, "usable": key.usable,
                    "created_at": key.created_at, "expires_at": key.expires_at, "revoked_at": key.revoked_at,
                    "last_used_at": key.last_used_at,
                })
            })
            .collect();
        output::line(&json!({ "items": keys }).to_string())?;
        return Ok(());
    }
    for key in keys {
        let state = if key.usable { "usable" } else { "ended" };
        output::line(&format!("{}  {state:<6}  {:<24}  {}", key.id, key.scopes.join(","), key.name))?;
    }
    Ok(())
}

impl Scope {
    fn word(self) -> &'static str {
        match self {
            Self::Enqueue => "enqueue",
            Self::Read => "read",
            Self::Work => "work",
            Self::Admin => "admin",
        }
    }
}
