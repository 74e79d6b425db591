//! A job before it is enqueued: the checked values of the caller, and nothing that the database
//! decides. A value that is `None` is filled from the kind's defaults when the row is written.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::after::{After, RunIf};
use super::unique::Unique;

/// The request for one job. Every interface (REST, Rust, command line) builds this value.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use serde_json::{Map, json};
/// use tidemill::NewJob;
///
/// let args = Map::from_iter([("to".to_owned(), json!("ada@example.org"))]);
/// let job = NewJob {
///     queue: Some("mail".into()),
///     delay: Some(Duration::from_mins(10)),
///     execution_id: Some("welcome-42".into()),
///     ..NewJob::new("send-mail", args)
/// };
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct NewJob {
    /// A `UUIDv7` made by the caller's process; order of ids promises nothing.
    pub id: Uuid,
    /// The kind, which selects the handler.
    pub kind: String,
    /// The job's input, a JSON object.
    pub args: Map<String, Value>,
    /// The queue; the kind's own if `None`.
    pub queue: Option<String>,
    /// 1 (first) to 9; the kind's own, else 5, if `None`.
    pub priority: Option<i16>,
    /// The earliest start; at once if `None` and there is no delay.
    pub run_at: Option<DateTime<Utc>>,
    /// The delay before the job may start, by the database's clock.
    pub delay: Option<Duration>,
    /// The most attempts.
    pub max_attempts: Option<i32>,
    /// The time after which the handler is asked to stop.
    pub soft_timeout: Option<Duration>,
    /// The time after which the attempt is ended.
    pub hard_timeout: Option<Duration>,
    /// The caller's own name for this piece of work; unique among the jobs that are kept.
    pub execution_id: Option<String>,
    /// Tags to find the job by.
    pub tags: Vec<String>,
    /// The caller's own data that the handler does not need.
    pub metadata: Option<Map<String, Value>>,
    /// How long the finished job is kept; the kind's or the deployment's retention if `None`.
    pub retain: Option<Duration>,
    /// The limits that it counts against: names of limits, or `name:key` for a separate count per key.
    pub concurrency_keys: Vec<String>,
    /// The group of the job for fairness; within a queue and priority, jobs of different groups take turns.
    pub fair_key: Option<String>,
    /// The user for whom it runs, an id that the application defines; its children inherit it.
    pub owner: Option<String>,
    /// The time at which the job is cancelled if it has not started.
    pub expires_at: Option<DateTime<Utc>>,
    /// The time from now after which the job is cancelled if it has not started, by the database's clock.
    pub expires_in: Option<Duration>,
    /// The rule for a unique job, which is not stored while another job holds its key; the kind's own rule
    /// if `None`.
    pub unique: Option<Unique>,
    /// The defaults of its kind that do not hold for it.
    pub turned_off: Vec<KindDefault>,
    /// The jobs that it waits for.
    pub after: Vec<After>,
    /// Which outcomes of those jobs let it run; all must complete if `None`.
    pub run_if: Option<RunIf>,
}

/// A default of a kind that a job can turn off.
///
/// # Examples
///
/// ```
/// use tidemill::{KindDefault, NewJob};
///
/// // Stored even if another job has the same args.
/// let again = NewJob { turned_off: vec![KindDefault::Unique], ..NewJob::new("report", serde_json::Map::new()) };
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KindDefault {
    /// Its rule for unique jobs.
    Unique,
    /// Its limits.
    ConcurrencyKey,
    /// Its groups for fairness.
    FairKey,
    /// The time after which its jobs are cancelled if they have not started.
    ExpiresIn,
}

impl KindDefault {
    /// Its field in the format of `enqueue_many`.
    const fn field(self) -> &'static str {
        match self {
            Self::Unique => "unique",
            Self::ConcurrencyKey => "concurrency_key",
            Self::FairKey => "fair_key",
            Self::ExpiresIn => "expires_in",
        }
    }

    /// Its name in the format of `insert_jobs`.
    const fn option(self) -> &'static str {
        match self {
            Self::ConcurrencyKey => "concurrency_keys",
            Self::ExpiresIn => "expires_in_seconds",
            Self::Unique | Self::FairKey => self.field(),
        }
    }
}

impl NewJob {
    /// A job of `kind` with defaults for everything else.
    #[must_use]
    pub fn new(kind: impl Into<String>, args: Map<String, Value>) -> Self {
        Self {
            id: Uuid::now_v7(),
            kind: kind.into(),
            args,
            queue: None,
            priority: None,
            run_at: None,
            delay: None,
            max_attempts: None,
            soft_timeout: None,
            hard_timeout: None,
            execution_id: None,
            tags: Vec::new(),
            metadata: None,
            retain: None,
            concurrency_keys: Vec::new(),
            fair_key: None,
            owner: None,
            expires_at: None,
            expires_in: None,
            unique: None,
            turned_off: Vec::new(),
            after: Vec::new(),
            run_if: None,
        }
    }

    /// The rarely used fields, in the format of the SQL function `insert_jobs`; `None` for most jobs.
    #[must_use]
    pub fn options(&self) -> Option<Value> {
        let mut options = Map::new();
        if !self.concurrency_keys.is_empty() {
            options.insert("concurrency_keys".into(), self.concurrency_keys.clone().into());
        }
        if let Some(fair_key) = &self.fair_key {
            options.insert("fair_key".into(), fair_key.clone().into());
        }
        if let Some(owner) = &self.owner {
            options.insert("owner".into(), owner.clone().into());
        }
        if let Some(expires_at) = self.expires_at {
            options.insert("expires_at".into(), expires_at.to_rfc3339().into());
        }
        if let Some(expires_in) = self.expires_in {
            options.insert("expires_in_seconds".into(), expires_in.as_secs_f64().into());
        }
        if let Some(unique) = &self.unique {
            options.insert("unique".into(), unique.to_spec());
        }
        if !self.after.is_empty() {
            options.insert("after".into(), self.after.iter().map(After::edge).collect());
        }
        if let Some(run_if) = self.run_if {
            options.insert("run_if".into(), run_if.word().into());
        }
        for off in &self.turned_off {
            options.entry(off.option()).or_insert(Value::Null);
        }
        (!options.is_empty()).then_some(Value::Object(options))
    }

    /// The job in the format of `enqueue_many`, without its id.
    #[must_use]
    pub fn to_spec(&self) -> Map<String, Value> {
        let once = [
            ("run_at", self.run_at.map(|time| time.to_rfc3339().into())),
            ("delay", self.delay.map(|delay| format!("{} seconds", delay.as_secs_f64()).into())),
            ("expires_at", self.expires_at.map(|time| time.to_rfc3339().into())),
            ("execution_id", self.execution_id.clone().map(Value::from)),
            ("after", (!self.after.is_empty()).then(|| self.after.iter().map(After::edge).collect())),
            ("run_if", self.run_if.map(|run_if| run_if.word().into())),
        ];
        let given = once.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
        self.template().into_iter().chain(given).collect()
    }

    /// The job in the format of `enqueue_many`, without id, time and name, which only one job can have.
    #[must_use]
    pub fn template(&self) -> Map<String, Value> {
        let seconds = |duration: Option<Duration>| {
            duration.map(|duration| format!("{} seconds", duration.as_secs_f64()).into())
        };
        let optional = [
            ("queue", self.queue.clone().map(Value::from)),
            ("priority", self.priority.map(Value::from)),
            ("max_attempts", self.max_attempts.map(Value::from)),
            ("soft_timeout", seconds(self.soft_timeout)),
            ("hard_timeout", seconds(self.hard_timeout)),
            ("tags", (!self.tags.is_empty()).then(|| self.tags.clone().into())),
            ("metadata", self.metadata.clone().map(Value::Object)),
            ("retain", seconds(self.retain)),
            (
                "concurrency_key",
                (!self.concurrency_keys.is_empty()).then(|| self.concurrency_keys.clone().into()),
            ),
            ("fair_key", self.fair_key.clone().map(Value::from)),
            ("owner", self.owner.clone().map(Value::from)),
            ("expires_in", seconds(self.expires_in)),
            ("unique", self.unique.as_ref().map(Unique::to_spec)),
        ];
        let given = optional.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
        let off = self.turned_off.iter().map(|off| (off.field().to_owned(), Value::Null));
        let always =
            [("kind".into(), self.kind.clone().into()), ("args".into(), Value::Object(self.args.clone()))];
        always.into_iter().chain(off).chain(given).collect()
    }
}
