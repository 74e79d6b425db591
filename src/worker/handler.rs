//! The interface of a kind's code: the typed `Handler` for Rust code, the erased `DynHandler`
//! behind it, and the error with which a handler asks for a retry, a permanent failure or a snooze.

use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::context::Context;
use crate::job::attempt::{Failure, Usage, Wait};
use crate::job::limits::LONGEST_DELAY;

/// The code for one kind of job.
///
/// # Examples
///
/// ```
/// use tidemill::{Context, Handler, JobError};
///
/// struct Greet;
///
/// impl Handler for Greet {
///     const KIND: &'static str = "greet";
///     type Args = String;
///     type Output = String;
///
///     async fn run(&self, context: Context, name: String) -> Result<String, JobError> {
///         context.progress(50.0, "thinking").await;
///         Ok(format!("Hello, {name}"))
///     }
/// }
/// ```
pub trait Handler: Send + Sync + 'static {
    /// The kind that this handler serves.
    const KIND: &'static str;
    /// The job's input, read from its JSON args.
    type Args: DeserializeOwned + Send;
    /// The job's result, stored as JSON.
    type Output: Serialize;

    /// Runs one attempt. The future is dropped when the attempt must end at once (hard timeout, lost lease,
    /// a cancel that was not obeyed in time).
    ///
    /// A stop is not a success: a handler that learned of a stop request ([`Context::stopped`],
    /// [`Context::stop_reason`]) and returns `Ok` with nothing (`()`, `None`) has stopped, so its job is
    /// handed back, cancelled or timed out. To complete the job in spite of the request, return a value. A
    /// handler that never asked for the request completes its job.
    fn run(
        &self,
        context: Context,
        args: Self::Args,
    ) -> impl Future<Output = Result<Self::Output, JobError>> + Send;
}

/// The return value of a finished handler.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Completion {
    /// The job's result.
    pub result: Option<Value>,
    /// The resource use of its process, if there was one.
    pub usage: Usage,
    /// True if the handler says that the job is done even without a result. Otherwise an end without a
    /// result after a known stop request counts as stopped.
    pub reported_done: bool,
}

impl Completion {
    /// Done with this result; null is also a result.
    #[must_use]
    pub fn done(result: Value) -> Self {
        Self { result: (!result.is_null()).then_some(result), usage: Usage::default(), reported_done: true }
    }

    /// Whether it counts even after a stop request.
    pub(super) fn is_done(&self) -> bool {
        self.reported_done || self.result.is_some()
    }
}

const LOST: &str = "lease_lost";
const STOPPED: &str = "stopped";

/// A boxed future of one attempt.
pub type RunFuture<'a> = Pin<Box<dyn Future<Output = Result<Completion, JobError>> + Send + 'a>>;

/// A handler with its types erased; kinds that come from the config implement it directly.
pub trait DynHandler: Send + Sync + 'static {
    /// Runs one attempt; see [`Handler::run`].
    fn run(&self, context: Context) -> RunFuture<'_>;
}

/// Erases a typed handler.
pub(super) struct Erased<H>(pub(super) H);

impl<H: Handler> DynHandler for Erased<H> {
    fn run(&self, context: Context) -> RunFuture<'_> {
        Box::pin(async move {
            let args = H::Args::deserialize(context.args()).map_err(|error| {
                JobError::permanent(format!("the args do not fit kind {}: {error}", H::KIND))
                    .class("bad_args")
            })?;
            let output = self.0.run(context, args).await?;
            let result = serde_json::to_value(output).map_err(|error| {
                JobError::permanent(format!("the result cannot be written as JSON: {error}"))
                    .class("bad_result")
            })?;
            Ok(Completion { result: (!result.is_null()).then_some(result), ..Completion::default() })
        })
    }
}

/// Why a handler did not complete, and what happens next.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use tidemill::JobError;
///
/// fn refused(status: u16) -> JobError {
///     match status {
///         429 => JobError::retry_after(Duration::from_mins(1), "too many calls").class("rate_limited"),
///         400..500 => JobError::permanent(format!("the call was refused with {status}")),
///         _ => JobError::retry(format!("the call was answered with {status}")),
///     }
/// }
/// assert!(refused(404).is_permanent() && refused(429).is_of("rate_limited"));
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct JobError {
    pub(super) next: Next,
    pub(super) message: Cow<'static, str>,
    pub(super) class: Cow<'static, str>,
    /// Boxed to keep the error small: it is returned through every handler.
    pub(super) backtrace: Option<Box<str>>,
    pub(super) usage: Usage,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Next {
    Retry,
    /// The delay before the next attempt, instead of the kind's backoff.
    // Boxed, as the next one, to keep the error small.
    RetryAfter(Box<Duration>),
    Permanent,
    Snooze(Duration),
    Wait(Box<Wait>),
    /// Another worker continues the job.
    Release,
}

impl JobError {
    /// The attempt failed; another one may succeed.
    pub fn retry(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Next::Retry, message)
    }

    /// The attempt failed; another one follows after `delay`, instead of the kind's backoff.
    pub fn retry_after(delay: Duration, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Next::RetryAfter(Box::new(delay.min(LONGEST_DELAY))), message)
    }

    /// The job failed for good; no further attempt is made.
    pub fn permanent(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Next::Permanent, message)
    }

    /// Not an error: the job runs again after `delay`, without counting the attempt.
    #[must_use]
    pub fn snooze(delay: Duration) -> Self {
        Self::new(Next::Snooze(delay), "snoozed")
    }

    /// Not an error: the job runs again when the awaited event has occurred, without counting the attempt.
    /// Its work is then done again, except for stored steps.
    pub(super) fn wait(wait: Wait) -> Self {
        Self::new(Next::Wait(Box::new(wait)), "waiting")
    }

    /// The attempt ended because its worker is shutting down: the job is handed back without counting the
    /// attempt.
    pub fn handed_back(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Next::Release, message).class(STOPPED)
    }

    /// The attempt ended after a stop request.
    pub(super) fn stopped() -> Self {
        Self::retry("the handler ended without a result after a stop request").class(STOPPED)
    }

    /// The attempt has lost its lease: its writes are ignored, and another attempt may already be running.
    pub(super) fn lost() -> Self {
        Self::retry("the lease was lost").class(LOST)
    }

    /// Names a stable class for grouping, such as `rate_limited`.
    #[must_use]
    pub fn class(mut self, class: impl Into<Cow<'static, str>>) -> Self {
        self.class = class.into();
        self
    }

    /// The same error with another message, such as one without secrets.
    #[must_use]
    pub fn reworded(mut self, words: impl FnOnce(&str) -> String) -> Self {
        self.message = words(&self.message).into();
        self
    }

    /// True if no further attempt is made after it.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        self.next == Next::Permanent
    }

    /// True if it is not an error: the job only runs again later, without counting the attempt.
    #[must_use]
    pub fn is_pause(&self) -> bool {
        matches!(self.next, Next::Snooze(_) | Next::Wait(_) | Next::Release)
    }

    /// True if it is of this class.
    #[must_use]
    pub fn is_of(&self, class: &str) -> bool {
        self.class == class
    }

    /// True if it says that the attempt has lost its lease.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.class == LOST
    }

    /// The same error, but no further attempt is made.
    #[must_use]
    pub fn into_permanent(mut self) -> Self {
        self.next = Next::Permanent;
        self
    }

    /// Attaches a stack trace.
    #[must_use]
    pub fn backtrace(mut self, backtrace: impl Into<String>) -> Self {
        self.backtrace = Some(backtrace.into().into_boxed_str());
        self
    }

    /// Attaches the resource use of the attempt's process.
    #[must_use]
    pub fn usage(mut self, usage: Usage) -> Self {
        self.usage = usage;
        self
    }

    pub(super) fn into_failure(self) -> Failure {
        Failure {
            message: self.message.into_owned(),
            class: self.class.into_owned(),
            permanent: matches!(self.next, Next::Permanent),
            backtrace: self.backtrace.map(String::from),
            retry_after_seconds: match self.next {
                Next::RetryAfter(delay) => Some(delay.as_secs_f64()),
                _ => None,
            },
        }
    }

    fn new(next: Next, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            next,
            message: message.into(),
            class: Cow::Borrowed("error"),
            backtrace: None,
            usage: Usage::default(),
        }
    }
}

impl fmt::Display for JobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// Any error of a library leads to another attempt; use [`JobError::permanent`] if none can help.
impl<E: std::error::Error> From<E> for JobError {
    fn from(error: E) -> Self {
        let mut message = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            message = format!("{message}: {cause}");
            source = cause.source();
        }
        Self::retry(message).class(std::any::type_name::<E>())
    }
}
