//! `tidemill token`: creates tokens for browsers, each signed with a secret of a key. Must never show a key, or
//! give a token more than its key has.

use std::time::Duration;

use chrono::DateTime;
use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;
use uuid::Uuid;

use super::GlobalArgs;
use super::common::error::CliError;
use super::common::output;
use super::common::settings::DatabaseArgs;
use super::keys::{DataDir, open};
use super::process::failed;
use tidemill::api::server::auth::token::SentToken;
use tidemill::store::tokens::NewToken;

/// The arguments of `tidemill token`.
#[derive(Debug, Args)]
pub(super) struct TokenArgs {
    #[command(subcommand)]
    verb: Verb,
    #[command(flatten)]
    data_dir: DataDir,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Create a token and show it: for one job, or for the jobs of an owner, of kinds, or of both
    Create(Box<CreateArgs>),
}

#[derive(Debug, Args)]
struct CreateArgs {
    #[command(flatten)]
    database: DatabaseArgs,
    /// The id of the key that signs the token, as `keys list` shows it; the token is invalid once this key is
    /// revoked
    #[arg(long, value_name = "ID")]
    key: String,
    /// A scope of the token; repeatable, or several separated by commas
    #[arg(long = "scope", value_enum, value_delimiter = ',', required = true)]
    scopes: Vec<TokenScope>,
    /// Only this job
    #[arg(long, value_name = "ID", conflicts_with_all = ["owner", "kinds"], required_unless_present_any = ["owner", "kinds"])]
    job: Option<Uuid>,
    /// Only jobs of this owner; jobs that the token enqueues get this owner
    #[arg(long)]
    owner: Option<String>,
    /// Only jobs of this kind; repeatable, or several separated by commas
    #[arg(long = "kind", value_name = "KIND", value_delimiter = ',')]
    kinds: Option<Vec<String>>,
    /// The time until it expires: 1 second to 24 hours
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration, default_value = "15m")]
    expires_in: Duration,
    /// Answer JSON
    #[arg(long)]
    json: bool,
}

/// What a token may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum TokenScope {
    /// Read the jobs, their events and files
    Read,
    /// Enqueue jobs
    Enqueue,
    /// Cancel them
    Cancel,
    /// Retry them
    Retry,
    /// Send them signals
    Signal,
}

pub(super) async fn run(args: TokenArgs, global: &GlobalArgs) -> Result<(), CliError> {
    let Verb::Create(create) = args.verb;
    let CreateArgs { database, key, scopes, job, owner, kinds, expires_in, json } = *create;
    let store = open(database, &args.data_dir, global).await?;
    let scopes = scopes.iter().map(|scope| scope.word().to_owned()).collect();
    let new = NewToken { scopes, job, owner, kinds, expires_in_seconds: expires_in.as_secs_f64() };
    let token = store.create_token(&key, &new).await.map_err(failed)?;
    if !json {
        return output::line(&token);
    }
    let expires = SentToken::parse(&token).and_then(|sent| DateTime::from_timestamp(sent.expires(), 0));
    output::line(&json!({ "token": token, "expires_at": expires }).to_string())
}

impl TokenScope {
    fn word(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Enqueue => "enqueue",
            Self::Cancel => "cancel",
            Self::Retry => "retry",
            Self::Signal => "signal",
        }
    }
}
