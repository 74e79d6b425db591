//! The interface of a running handler to its job: read its args, report progress, log, and learn of
//! a stop request. Events go to the reporter; writes that must be durable before the handler
//! continues are made at once, and the database checks the lease.

pub(super) mod children;
pub(super) mod files;
pub(super) mod steps;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;
use uuid::Uuid;

use self::steps::Steps;
use super::contact::Contact;
use super::handler::JobError;
use super::leaving::Leaving;
use super::retry::until_answered;
use crate::job::attempt::StopReason;
use crate::job::event::EventDraft;
use crate::job::limits::LONGEST_EXTENSION;
use crate::store::{Error, Result as Stored, Store};

/// The job of one attempt, as it was claimed.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// The job's id.
    pub job_id: Uuid,
    /// The lease of this attempt; the database checks it at every write.
    pub lease_id: Uuid,
    /// Ordinal of this attempt, from 1.
    pub attempt: i32,
    /// The most attempts.
    pub max_attempts: i32,
    /// The kind, which selects the handler.
    pub kind: String,
    /// The queue that it was claimed from.
    pub queue: String,
    /// The job's input, a JSON object.
    pub args: Value,
    /// The caller's own name for the work.
    pub execution_id: Option<String>,
    /// The span of this attempt as W3C Trace Context writes it, the parent of what the handler traces; `None` if
    /// nobody traces the job.
    pub traceparent: Option<String>,
}

/// One report of a handler. With `None` as its draft it asks for a notice when all earlier reports are
/// stored.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) job_id: Uuid,
    pub(super) lease_id: Uuid,
    pub(super) draft: Option<EventDraft>,
    pub(super) stored: Option<oneshot::Sender<()>>,
    pub(super) extension: Option<Extension>,
}

impl Report {
    /// The last message.
    pub(super) fn close() -> Self {
        Self { job_id: Uuid::nil(), lease_id: Uuid::nil(), draft: None, stored: None, extension: None }
    }
}

/// Waits until all reports of an attempt are stored.
pub(super) async fn flush(reports: &mpsc::Sender<Report>, (job_id, lease_id): (Uuid, Uuid)) {
    let (stored, answer) = oneshot::channel();
    let last = Report { job_id, lease_id, draft: None, stored: Some(stored), extension: None };
    if reports.send(last).await.is_ok() {
        let _ = answer.await;
    }
}

/// A handler's request for more time, with its answer.
#[derive(Debug)]
pub(super) struct Extension {
    pub(super) by: Duration,
    pub(super) granted: oneshot::Sender<bool>,
}

/// The worker's settings that an attempt can see.
#[derive(Debug)]
pub(super) struct AttemptDeps {
    /// A context of a test has no database.
    pub(super) store: Option<Arc<Store>>,
    /// Whether the database can be reached.
    pub(super) contact: Option<Arc<Contact>>,
    /// The request to the worker to end, if there is one.
    pub(super) leaving: watch::Receiver<Option<Leaving>>,
    /// How long a handler of this kind may take to stop.
    pub(super) stop_grace: Duration,
    /// The time without a heartbeat after which the worker's attempts must end.
    pub(super) longest_silence: Duration,
}

impl Default for AttemptDeps {
    fn default() -> Self {
        Self {
            store: None,
            contact: None,
            leaving: watch::channel(None).1,
            stop_grace: Duration::from_secs(10),
            longest_silence: Duration::from_secs(20),
        }
    }
}

/// A handler's view of its attempt. Cheap to clone.
///
/// # Examples
///
/// ```
/// use tidemill::{Context, JobError};
///
/// async fn resize(context: Context, names: Vec<String>) -> Result<(), JobError> {
///     for (done, name) in names.iter().enumerate() {
///         context.progress(100.0 * done as f64 / names.len() as f64, name).await;
///         // After a crash the images before this one are not done again.
///         context.step(&format!("resize-{name}"), || async { Ok(name.len()) }).await?;
///     }
///     context.log("all images are resized").await;
///     Ok(())
/// }
/// ```
#[derive(Debug, Clone)]
pub struct Context {
    state: Arc<AttemptState>,
    reports: mpsc::Sender<Report>,
    stop: watch::Receiver<Option<StopReason>>,
}

/// The state shared by all views of one attempt, in one allocation per attempt.
#[derive(Debug)]
pub(super) struct AttemptState {
    attempt: Attempt,
    /// Set once something was reported.
    pub(super) reported: AtomicBool,
    /// There may be a report that is not stored yet.
    unstored: AtomicBool,
    /// The handler learned of a stop request.
    heard_stop: AtomicBool,
    /// The handler completed the job itself.
    pub(super) completed: AtomicBool,
    /// The total extension of the attempt so far.
    pub(super) extended: watch::Sender<Duration>,
    deps: AttemptDeps,
    steps: Steps,
}

impl AttemptState {
    /// The handler knows of a stop request and has not completed the job in spite of it.
    pub(super) fn heeds_stop(&self) -> bool {
        self.heard_stop.load(Ordering::Relaxed) && !self.completed.load(Ordering::Relaxed)
    }
}

impl Context {
    pub(super) fn new(
        attempt: Attempt,
        reports: mpsc::Sender<Report>,
        stop: watch::Receiver<Option<StopReason>>,
        deps: AttemptDeps,
    ) -> Self {
        let state = AttemptState {
            attempt,
            reported: AtomicBool::new(false),
            unstored: AtomicBool::new(false),
            heard_stop: AtomicBool::new(false),
            completed: AtomicBool::new(false),
            extended: watch::Sender::new(Duration::ZERO),
            deps,
            steps: Steps::default(),
        };
        Self { state: Arc::new(state), reports, stop }
    }

    /// The part that outlives the handler's views.
    pub(super) fn state(&self) -> Arc<AttemptState> {
        self.state.clone()
    }

    /// The database, for writes that must be durable before the handler continues.
    ///
    /// # Errors
    /// In tests, a context may have none.
    pub fn store(&self) -> Result<&Store, JobError> {
        self.stored().ok_or_else(|| JobError::permanent("this context has no database"))
    }

    /// The same, if there is one.
    pub(super) fn stored(&self) -> Option<&Store> {
        self.state.deps.store.as_deref()
    }

    /// Asks the database until it answers, so that an outage costs no attempt; the timeouts and the lease of
    /// the attempt end the wait. A refusal by the object storage or a full queue is not tried again.
    pub(super) async fn answered<T, F>(&self, what: &'static str, mut ask: impl FnMut() -> F) -> Stored<T>
    where
        F: Future<Output = Stored<T>>,
    {
        let Some(contact) = &self.state.deps.contact else { return ask().await };
        let asked = until_answered(contact, what, || {
            let asking = ask();
            async move {
                match asking.await {
                    Err(error) if matches!(error, Error::Vault(_)) || error.is_queue_full() => Ok(Err(error)),
                    other => other.map(Ok),
                }
            }
        });
        Box::pin(asked).await?
    }

    pub(super) fn steps(&self) -> &Steps {
        &self.state.steps
    }

    /// The job, and the lease that the database checks at every write.
    pub(super) fn lease(&self) -> (Uuid, Uuid) {
        (self.state.attempt.job_id, self.state.attempt.lease_id)
    }

    /// The job of this attempt.
    #[must_use]
    pub fn attempt(&self) -> &Attempt {
        &self.state.attempt
    }

    /// The job's id.
    #[must_use]
    pub fn job_id(&self) -> Uuid {
        self.state.attempt.job_id
    }

    /// The job's input.
    #[must_use]
    pub fn args(&self) -> &Value {
        &self.state.attempt.args
    }

    /// Reports progress: `percent` from 0 to 100 and the current step. Waits only if the database falls
    /// behind; watchers of the job see it within a tenth of a second.
    pub async fn progress(&self, percent: f64, step: &str) {
        self.report(EventDraft::progress(Some(percent), Some(step), None)).await;
    }

    /// Reports progress with the handler's own data; a value that is `None` keeps its last value.
    pub async fn progress_with(&self, percent: Option<f64>, step: Option<&str>, data: Option<Value>) {
        self.report(EventDraft::progress(percent, step, data)).await;
    }

    /// Adds a line to the job's log.
    pub async fn log(&self, line: &str) {
        self.log_to("log", line).await;
    }

    /// Adds a line to one stream (`stdout`, `stderr`, …) of the job's log.
    pub async fn log_to(&self, stream: &str, line: &str) {
        self.report(EventDraft::new("log", json!({ "stream": stream, "line": line }))).await;
    }

    /// Adds an event of a type that the handler names. The names of Tidemill's own types are
    /// stored with `custom_` before them.
    pub async fn event(&self, name: &str, data: Value) {
        self.report(EventDraft::custom(name, data)).await;
    }

    /// Asks for more time: moves the soft and the hard timeout by the given time (at most a year at once),
    /// also for the job's later attempts. False if the attempt has lost its lease; an earlier stop request
    /// remains.
    pub async fn extend(&self, by: Duration) -> bool {
        let by = by.min(LONGEST_EXTENSION);
        let (granted, answer) = oneshot::channel();
        self.send(None, Some(Extension { by, granted })).await;
        let granted = answer.await.unwrap_or(false);
        if granted {
            self.state.extended.send_modify(|total| *total += by);
        }
        granted
    }

    /// The reason of a stop request, if there is one.
    #[must_use]
    pub fn stop_reason(&self) -> Option<StopReason> {
        let reason = *self.stop.borrow();
        if reason.is_some() {
            self.state.heard_stop.store(true, Ordering::Relaxed);
        }
        reason
    }

    /// Waits for a stop request; for ever if there is none.
    pub async fn stopped(&self) -> StopReason {
        let mut stop = self.stop.clone();
        let reason = stop.wait_for(Option::is_some).await.map(|reason| *reason);
        match reason {
            Ok(Some(reason)) => {
                self.state.heard_stop.store(true, Ordering::Relaxed);
                reason
            }
            // The sender lives as long as the attempt: without it no further request can come.
            _ => std::future::pending().await,
        }
    }

    /// The time since which the worker is shutting down, if it is or is asked to within `wait`.
    pub async fn leaves_within(&self, wait: Duration) -> Option<Instant> {
        let mut leaving = self.state.deps.leaving.clone();
        match tokio::time::timeout(wait, leaving.wait_for(Option::is_some)).await {
            Ok(Ok(found)) => found.as_ref().map(|leaving| leaving.since),
            Ok(Err(_)) | Err(_) => None,
        }
    }

    /// The signals that asked the worker around it to end, as a mask like the kernel's; 0 if none is known.
    #[must_use]
    pub fn signals_to_leave(&self) -> u64 {
        self.state.deps.leaving.borrow().as_ref().map_or(0, |leaving| leaving.signals.mask())
    }

    /// How long a handler of this kind may take to stop.
    #[must_use]
    pub fn stop_grace(&self) -> Duration {
        self.state.deps.stop_grace
    }

    /// The time without a heartbeat after which the worker's attempts must end.
    #[must_use]
    pub fn longest_silence(&self) -> Duration {
        self.state.deps.longest_silence
    }

    /// The attempt completed its job itself.
    pub(super) fn has_completed(&self) {
        self.state.completed.store(true, Ordering::Relaxed);
    }

    /// Waits until all reports are stored, so that writes that bypass the reporter come after them.
    pub(super) async fn flush(&self) {
        if self.state.unstored.swap(false, Ordering::Relaxed) {
            flush(&self.reports, self.lease()).await;
        }
    }

    async fn report(&self, draft: EventDraft) {
        self.send(Some(draft), None).await;
    }

    async fn send(&self, draft: Option<EventDraft>, extension: Option<Extension>) {
        let report = Report {
            job_id: self.state.attempt.job_id,
            lease_id: self.state.attempt.lease_id,
            draft,
            stored: None,
            extension,
        };
        self.state.reported.store(true, Ordering::Relaxed);
        // A closed channel means that the worker has ended; the sweep takes its lease back.
        let _ = self.reports.send(report).await;
        // Not earlier: another view's flush would miss this report and not wait for it.
        self.state.unstored.store(true, Ordering::Relaxed);
    }
}
