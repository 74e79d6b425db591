//! Runs a handler without a database, for tests of handlers: a context that keeps events in memory.
//! Stores nothing; must never be used to run jobs that matter.

use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use uuid::Uuid;

use super::context::{Attempt, AttemptDeps, Context, Report};
use super::handler::{Completion, DynHandler, Erased, Handler, JobError, Next};
use super::leaving::{Leaving, Signals};
use crate::job::attempt::{Outcome, StopReason, Usage};
use crate::job::event::EventDraft;

/// Small, so that a handler that floods its log is slowed down in tests, too.
const CHANNEL_CAPACITY: usize = 64;

impl Attempt {
    /// The first attempt of a made-up job of `kind`.
    #[must_use]
    pub fn for_test(kind: impl Into<String>, args: Value) -> Self {
        Self {
            job_id: Uuid::now_v7(),
            lease_id: Uuid::new_v4(),
            attempt: 1,
            max_attempts: 5,
            kind: kind.into(),
            queue: "default".into(),
            args,
            execution_id: None,
            traceparent: None,
        }
    }
}

impl Context {
    /// A context for a test, and the probe that sees what the handler reports. Needs a tokio
    /// runtime.
    ///
    /// ```
    /// use serde_json::json;
    /// use tidemill::Context;
    /// use tidemill::worker::context::Attempt;
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let (context, mut probe) = Context::for_test(Attempt::for_test("greet", json!({})));
    /// context.log("hello").await;
    /// let event = probe.wait_for(|event| event.kind == "log").await;
    /// assert_eq!(event.data["line"], "hello");
    /// # }
    /// ```
    #[must_use]
    pub fn for_test(attempt: Attempt) -> (Self, TestProbe) {
        let (reports, inbox) = mpsc::channel(CHANNEL_CAPACITY);
        let (stop, stop_seen) = watch::channel(None);
        let (held, held_seen) = watch::channel(false);
        let (count, counted) = watch::channel(0);
        let events = Arc::new(Mutex::new(Vec::new()));
        tokio::spawn(collect(inbox, held_seen, Arc::clone(&events), count));
        let (leaving, leaving_seen) = watch::channel(None);
        let deps = AttemptDeps { leaving: leaving_seen, ..AttemptDeps::default() };
        let context = Self::new(attempt, reports, stop_seen, deps);
        (context, TestProbe { events, counted, stop, held, leaving })
    }
}

/// A test's view of a handler, and its controls.
#[derive(Debug)]
pub struct TestProbe {
    events: Arc<Mutex<Vec<EventDraft>>>,
    counted: watch::Receiver<usize>,
    stop: watch::Sender<Option<StopReason>>,
    held: watch::Sender<bool>,
    leaving: watch::Sender<Option<Leaving>>,
}

impl TestProbe {
    /// All events so far, in order.
    #[must_use]
    pub fn events(&self) -> Vec<EventDraft> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The lines of one log stream so far, in order.
    #[must_use]
    pub fn lines(&self, stream: &str) -> Vec<String> {
        let events = self.events();
        let of_stream = events.iter().filter(|event| event.kind == "log" && event.data["stream"] == stream);
        of_stream.filter_map(|event| event.data["line"].as_str().map(str::to_owned)).collect()
    }

    /// Waits for the first event that `fits`, including earlier ones; for ever if none comes, so put a
    /// timeout around it.
    pub async fn wait_for(&mut self, fits: impl Fn(&EventDraft) -> bool) -> EventDraft {
        loop {
            self.counted.borrow_and_update();
            if let Some(event) = self.events().into_iter().find(&fits) {
                return event;
            }
            if self.counted.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Asks the handler to stop, as a cancel, a soft timeout or a shutdown would.
    pub fn stop(&self, reason: StopReason) {
        self.stop.send_replace(Some(reason));
    }

    /// Reports that the worker was asked to end but lets the handler continue for now.
    pub fn leave(&self) {
        let leaving = Leaving { since: Instant::now(), signals: Signals::default() };
        self.leaving.send_replace(Some(leaving));
    }

    /// The same, by a signal with this number.
    #[cfg(test)]
    pub fn leave_by(&self, number: i32) {
        let leaving = Leaving { since: Instant::now(), signals: Signals::default() };
        leaving.signals.add(number);
        self.leaving.send_replace(Some(leaving));
    }

    /// Stops taking events (`true`), as if the database were slow, until called with `false`.
    pub fn hold(&self, held: bool) {
        self.held.send_replace(held);
    }
}

/// Runs an attempt with a context without a database; returns its outcome and its reports, in order.
pub async fn attempted<H: Handler>(handler: H, attempt: Attempt) -> (Outcome, Usage, Vec<EventDraft>) {
    let (context, probe) = Context::for_test(attempt);
    let ended = Erased(handler).run(context.clone()).await;
    context.flush().await;
    let (outcome, usage) = outcome_of(ended);
    (outcome, usage, probe.events())
}

/// The outcome that the executor would derive from a handler's result, for a test to check.
#[must_use]
pub fn outcome_of(ended: Result<Completion, JobError>) -> (Outcome, Usage) {
    match ended {
        Ok(completion) => (Outcome::Completed { result: completion.result }, completion.usage),
        Err(error) => {
            let usage = error.usage.clone();
            let outcome = match error.next.clone() {
                Next::Snooze(delay) => Outcome::Snoozed { delay },
                Next::Wait(wait) => Outcome::Waits { wait: *wait },
                Next::Release => Outcome::Released,
                Next::Retry | Next::RetryAfter(_) | Next::Permanent => {
                    Outcome::Failed { failure: error.into_failure() }
                }
            };
            (outcome, usage)
        }
    }
}

async fn collect(
    mut inbox: mpsc::Receiver<Report>,
    mut held: watch::Receiver<bool>,
    events: Arc<Mutex<Vec<EventDraft>>>,
    count: watch::Sender<usize>,
) {
    loop {
        // An error means that the probe was dropped: then nothing is delayed any more.
        let _ = held.wait_for(|held| !held).await;
        let Some(report) = inbox.recv().await else { return };
        if let Some(draft) = report.draft {
            events.lock().unwrap_or_else(PoisonError::into_inner).push(draft);
            count.send_modify(|count| *count += 1);
        }
        if let Some(extension) = report.extension {
            let data = serde_json::json!({ "by_seconds": extension.by.as_secs_f64() });
            events.lock().unwrap_or_else(PoisonError::into_inner).push(EventDraft::new("extended", data));
            count.send_modify(|count| *count += 1);
            let _ = extension.granted.send(true);
        }
        if let Some(stored) = report.stored {
            // The requester may have been dropped; that does not matter here.
            let _ = stored.send(());
        }
    }
}
