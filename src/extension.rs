//! The parts that an application adds to Tidemill: kinds and the rules for their args, routes, declarations
//! for all processes, and names of fields to redact. The core must never know which extensions exist.
//!
//! # Examples
//!
//! A handler of kinds that are only known at run time, for `WorkerBuilder::kind`:
//!
//! ```
//! use tidemill::Context;
//! use tidemill::extension::kinds::{Completion, DynHandler, RunFuture};
//!
//! struct Echo;
//!
//! impl DynHandler for Echo {
//!     fn run(&self, context: Context) -> RunFuture<'_> {
//!         Box::pin(async move { Ok(Completion::done(context.args().clone())) })
//!     }
//! }
//! ```

use std::collections::BTreeMap;
use std::fmt;

use crate::api::jobs::args_rules::ArgsRules;
use crate::api::routes::Routes;
use crate::job::alert::AlertRule;
use crate::job::limit::LimitSettings;
use crate::outbound::ProxySettings;
use crate::store::schedules::NewSchedule;
use crate::worker::WorkerBuilder;

/// An application on Tidemill. Everything but its name has a default: nothing.
///
/// # Examples
///
/// ```
/// use tidemill::extension::http::ArgsRules;
/// use tidemill::{Extension, Problem};
///
/// #[derive(Debug)]
/// struct Postcards;
///
/// impl Extension for Postcards {
///     fn name(&self) -> &'static str {
///         "postcards"
///     }
///
///     fn args_rules(&self, rules: ArgsRules) -> ArgsRules {
///         rules.with("postcards.write", |given| match given.args.contains_key("to") {
///             true => Ok(()),
///             false => Err(Problem::invalid("/args/to", "A postcard needs an address.")),
///         })
///     }
/// }
/// ```
pub trait Extension: Send + Sync + fmt::Debug + 'static {
    /// Its name, for messages.
    fn name(&self) -> &'static str;

    /// The names of its kinds: the config can give them to no command or URL.
    fn kind_names(&self) -> &'static [&'static str] {
        &[]
    }

    /// Adds the handlers of its kinds to a worker.
    ///
    /// # Errors
    /// If a setting turns out to be unusable; the worker does not start.
    fn kinds(&self, worker: WorkerBuilder, _process: &ProcessParts) -> Result<WorkerBuilder, ExtensionError> {
        Ok(worker)
    }

    /// Adds checks of args, which hold whichever way a job is enqueued over HTTP.
    fn args_rules(&self, rules: ArgsRules) -> ArgsRules {
        rules
    }

    /// Its routes, each with its scopes.
    fn routes(&self) -> Routes {
        Routes::none()
    }

    /// What holds for all processes, and the queues of its workers.
    fn declares(&self) -> Declared {
        Declared::default()
    }

    /// Keys whose values only handlers see, in addition to `redaction.keys`. `outer.url` shows the address in `outer`
    /// without user, query and fragment.
    fn redacted_fields(&self) -> &'static [&'static str] {
        &[]
    }
}

/// Looks up the options of a storage at an address.
pub type CloudOptions = fn(&str) -> BTreeMap<String, String>;

/// Parts of a process that the kinds of an extension may use.
///
/// # Examples
///
/// ```
/// use tidemill::extension::ProcessParts;
/// use tidemill::extension::Storage;
///
/// // As the binary passes them on when the config has `[storage]`.
/// let storage = Storage { url: "s3://cards".into(), ..Storage::default() };
/// let parts = ProcessParts { storage: Some(storage), ..ProcessParts::default() };
/// assert!(parts.cloud_options("s3://cards").is_empty());
/// ```
#[derive(Debug, Clone, Default)]
pub struct ProcessParts {
    /// The proxy of outbound calls.
    pub proxy: ProxySettings,
    /// The object storage of the deployment.
    pub storage: Option<Storage>,
    /// Looks up options of a storage at an address in the environment, such as credentials of its cloud.
    pub cloud_options: Option<CloudOptions>,
}

/// An object storage.
#[derive(Clone, Default)]
pub struct Storage {
    /// Its address.
    pub url: String,
    /// Its options, with those of the environment.
    pub options: BTreeMap<String, String>,
}

impl fmt::Debug for Storage {
    /// Without the options, which may hold credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Storage").field("url", &self.url).finish_non_exhaustive()
    }
}

impl ProcessParts {
    /// The options of the environment for a storage at `url`.
    #[must_use]
    pub fn cloud_options(&self, url: &str) -> BTreeMap<String, String> {
        self.cloud_options.map(|options| options(url)).unwrap_or_default()
    }
}

/// What an extension declares.
///
/// # Examples
///
/// ```
/// use tidemill::{AlertRule, Condition, extension::Declared};
///
/// let late = AlertRule { queue: Some("cards".into()), ..AlertRule::new(Condition::QueueDepth, 100.0) };
/// let cards = Declared { alert_rules: vec![("cards-late".into(), late)], ..Declared::default() };
/// let all = cards.and(Declared::default());
/// assert_eq!(all.alert_rules.len(), 1);
/// ```
#[derive(Debug, Clone, Default)]
pub struct Declared {
    /// The queues that its workers serve.
    pub queues: Vec<DeclaredQueue>,
    /// Limits by name.
    pub limits: Vec<(String, LimitSettings)>,
    /// Schedules; a schedule of the same name in the config wins.
    pub schedules: Vec<NewSchedule>,
    /// Alert rules by name; a rule of the same name in the config wins.
    pub alert_rules: Vec<(String, AlertRule)>,
}

impl Declared {
    /// This and what another extension declares.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.queues.extend(other.queues);
        self.limits.extend(other.limits);
        self.schedules.extend(other.schedules);
        self.alert_rules.extend(other.alert_rules);
        self
    }
}

/// A queue that the workers of an extension serve.
///
/// # Examples
///
/// ```
/// use tidemill::extension::DeclaredQueue;
///
/// // Every worker that serves `default` runs two of these at once.
/// let cards = DeclaredQueue { name: "cards".into(), slots: Some(2), with: Some("default".into()) };
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeclaredQueue {
    /// Its name.
    pub name: String,
    /// How many of its jobs a worker runs at once, unless the config says so; `None`: as any queue.
    pub slots: Option<u32>,
    /// The queue with which it goes: a worker that serves that one serves this one too, and otherwise not.
    pub with: Option<String>,
}

/// Why the kinds of an extension cannot be served.
///
/// # Examples
///
/// ```
/// use tidemill::extension::{ExtensionError, ProcessParts};
///
/// fn storage_url(process: &ProcessParts) -> Result<&str, ExtensionError> {
///     match &process.storage {
///         Some(storage) => Ok(&storage.url),
///         None => Err(ExtensionError::new("storage.url", "is needed for postcards")),
///     }
/// }
/// assert_eq!(storage_url(&ProcessParts::default()).unwrap_err().setting, "storage.url");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{setting}: {problem}")]
pub struct ExtensionError {
    /// The setting to change.
    pub setting: String,
    /// What is wrong with it.
    pub problem: String,
}

impl ExtensionError {
    /// A setting that cannot be used.
    pub fn new(setting: impl Into<String>, problem: impl fmt::Display) -> Self {
        Self { setting: setting.into(), problem: problem.to_string() }
    }
}

/// What routes are made of: extractors, answers, problems, and the steps that the routes of jobs take.
pub mod http {
    pub use crate::api::events::frame::Frame;
    pub use crate::api::events::job_stream::{StreamReader, frames};
    pub use crate::api::events::stream_limits::StreamPlace;
    pub use crate::api::jobs::args_rules::{ArgsRules, GivenArgs};
    pub use crate::api::jobs::create::{KeyedRequest, enqueue_once, refusal};
    pub use crate::api::jobs::create_request::PriorityInput;
    pub use crate::api::jobs::job_id::{JobId, resolve, unknown};
    pub use crate::api::jobs::show::find;
    pub use crate::api::page_response::{Page, Repeatable};
    pub use crate::api::server::auth::caller::Caller;
    pub use crate::api::server::auth::credentials::SUBPROTOCOL;
    pub use crate::api::server::json::{Body, OptionalBody, Params, RawBody, parse as parse_json};
    pub use crate::api::server::path_params::{JobName, execution_id, only_part};
    pub use crate::api::server::problem::{Case, OwnCase, quoted};
    pub use crate::api::server::validate;
}

/// What routes and handlers know of jobs, beyond the names of the crate's root.
pub mod jobs {
    pub use crate::job::document::{Links, Progress, micros};
    pub use crate::job::limits::EXECUTION_ID_CHARACTERS;
    pub use crate::job::schedule::Timing;
    pub use crate::job::text::{storable_text, truncated};
    pub use crate::store::Result;
    pub use crate::store::attempts::signals::SignalOutcome;
    pub use crate::store::jobs::bulk::Bulk;
    pub use crate::store::jobs::cancel::CancelOutcome;
    pub use crate::store::jobs::delete::DeleteOutcome;
    pub use crate::store::jobs::enqueue::{Enqueued, InsertOutcome};
    pub use crate::store::jobs::list::Filter;
    pub use crate::store::jobs::prepared::PreparedJob;
}

/// What an extension keeps in the database beside jobs: `store.documents(NAME)`, where `store` is that of the state of the
/// API or of a handler's context.
pub mod documents {
    pub use crate::store::documents::{DocumentAct, Documents, StoredDocument};
}

/// What handlers of a kind that is only known at run time, and handlers with programs of their own, are made of.
pub mod kinds {
    pub use crate::kinds::command::child_program::Companion;
    pub use crate::kinds::line_reader::{Ends, Line, Lines};
    pub use crate::kinds::together::unless_stopped;
    #[cfg(feature = "http")]
    pub use crate::kinds::url::delay_of;
    pub use crate::worker::handler::{Completion, DynHandler, RunFuture};
}

/// Calls to other systems, with the proxies of the config and without private addresses where these are refused.
pub mod outbound {
    pub use crate::outbound::ProxySettings;
    #[cfg(feature = "http")]
    pub use crate::outbound::{
        ClientError,
        address::{PublicResolver, is_public, public_addresses, refusal_behind, refused_literal},
        client::builder,
    };
}
