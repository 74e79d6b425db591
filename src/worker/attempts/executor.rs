//! One attempt: runs the handler, watches its timeouts and stop requests, determines its outcome, and passes
//! it to the completer. An attempt whose lease is lost must write nothing more.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep_until};

use super::ending::ending;
use super::rules::ruled;
use crate::job::attempt::{Failure, Outcome, StopReason, Usage};
use crate::job::event::EventDraft;
use crate::job::limits::{BACKTRACE_BYTES, ERROR_CLASS_BYTES, ERROR_MESSAGE_BYTES};
use crate::job::text::{storable_json, truncated};
use crate::spans;
use crate::store::Error;
use crate::worker::claims::queue_slots::Waiting;
use crate::worker::context::{Attempt, AttemptDeps, Context, Report, flush};
use crate::worker::handler::{Completion, JobError, Next};
use crate::worker::leases::StopHandles;
use crate::worker::registry::Served;
use crate::worker::shared::Shared;

/// How long a job is put off if its args could not be read because a key or the storage is missing.
const UNREADABLE_PAUSE: Duration = Duration::from_secs(30);
/// How much of args that are not an object is repeated in the error.
const SHOWN_BYTES: usize = 1024;

/// Runs one claimed job until its attempt has ended.
pub(in crate::worker) async fn run(shared: &Arc<Shared>, waiting: Waiting) {
    let Waiting { job, handles } = waiting;
    let (job_id, lease_id) = (job.id, job.lease_id);
    let Some(served) = shared.registry.get(&job.kind) else {
        // Claims name the kinds that are served, so this job is not ours; its lease expires.
        shared.leases.remove(job_id, lease_id);
        return;
    };
    shared.run_limits.count(shared.settings.max_runs);
    let span = job.span(spans::are_exported());
    let args = match shared.store.open_value(job.args).await {
        Ok(args) => args,
        Err(error) => return put_off(shared, job_id, lease_id, &error).await,
    };
    if !args.is_object() {
        let shown = truncated(args.to_string(), SHOWN_BYTES);
        let error = JobError::permanent(format!("the args are not a JSON object: {shown}")).class("bad_args");
        let outcome = Outcome::Failed { failure: storable(error.into_failure()) };
        if let Some(ending) = ending(job_id, lease_id, outcome, Usage::default()) {
            let _ = shared.endings.send(ending).await;
        }
        return;
    }
    tracing::debug!(task_id = %job_id, kind = job.kind, attempt = job.attempt, "an attempt started");
    let tried = job.attempt;
    let mut limits = Limits::of(served, job.soft_timeout_seconds, job.hard_timeout_seconds);
    let attempt = Attempt {
        job_id,
        lease_id,
        attempt: job.attempt,
        max_attempts: job.max_attempts,
        kind: job.kind,
        queue: job.queue,
        args,
        execution_id: job.execution_id,
        traceparent: span.map(|span| span.to_string()),
    };
    let deps = AttemptDeps {
        store: Some(shared.store.clone()),
        contact: Some(shared.contact.clone()),
        leaving: shared.leaving.subscribe(),
        stop_grace: limits.grace,
        longest_silence: shared.settings.longest_silence(),
    };
    let context = Context::new(attempt, shared.reports.clone(), handles.stop.clone(), deps);
    let state = context.state();
    let (outcome, usage) = attempt_outcome(shared, served, context, handles, &mut limits).await;
    served.ran(limits.started.elapsed());
    let outcome = match outcome {
        Some(Outcome::Completed { result: Some(result) }) => {
            Some(kept(shared, (job_id, lease_id), storable_json(result)).await)
        }
        other => other,
    };
    let (word, seconds) =
        (outcome.as_ref().map_or("lease_lost", Outcome::word), limits.started.elapsed().as_secs_f64());
    tracing::debug!(task_id = %job_id, outcome = word, seconds, "an attempt ended");
    if state.reported.load(std::sync::atomic::Ordering::Relaxed) {
        flush(&shared.reports, (job_id, lease_id)).await;
    }
    if let Some(ending) = outcome.and_then(|outcome| ending(job_id, lease_id, outcome, usage)) {
        shared.leases.settles(job_id, lease_id);
        let _ = shared.endings.send(ruled(ending, &served.settings, tried)).await;
    } else {
        shared.metrics.leases_lost.inc();
        shared.leases.drop_attempt(job_id, lease_id);
    }
}

/// The limits of one attempt, measured from its start.
struct Limits {
    started: Instant,
    soft: Option<Duration>,
    hard: Duration,
    grace: Duration,
}

impl Limits {
    fn of(served: &Served, soft_seconds: Option<f64>, hard_seconds: Option<f64>) -> Self {
        let duration = |seconds: f64| Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX);
        Self {
            started: Instant::now(),
            soft: soft_seconds.map(duration).or(served.settings.soft_timeout),
            hard: hard_seconds.map_or(served.settings.hard_timeout, duration),
            grace: served.settings.stop_grace,
        }
    }

    fn at(&self, after: Duration) -> Instant {
        // Bounded, because the sum could overflow; a hundred years stand for never.
        self.started + after.min(Duration::from_hours(876_000))
    }

    fn extend(&mut self, by: Duration) {
        self.soft = self.soft.map(|soft| soft.saturating_add(by));
        self.hard = self.hard.saturating_add(by);
    }
}

/// Runs the handler within its limits; `None` when the lease is lost.
async fn attempt_outcome(
    shared: &Shared,
    served: &Served,
    context: Context,
    mut handles: StopHandles,
    limits: &mut Limits,
) -> (Option<Outcome>, Usage) {
    let job_id = context.job_id();
    let state = context.state();
    let mut extensions = state.extended.subscribe();
    // While the job waited for a slot, its lease may have been lost, or the job cancelled.
    if let Some(reason) = *handles.stop.borrow() {
        return (ended_by(Some(reason), limits), Usage::default());
    }
    let run = AssertUnwindSafe(async { served.handler.run(context).await }).catch_unwind();
    tokio::pin!(run);
    let mut soft_at = limits.soft.map(|soft| limits.at(soft));
    let mut end_at = limits.at(limits.hard);
    let (mut extended, mut leaving) = (Duration::ZERO, false);
    loop {
        tokio::select! {
            biased;
            done = &mut run => {
                let reason = *handles.stop.borrow();
                return match done {
                    Ok(result) => outcome_of(result, reason, state.heeds_stop(), limits),
                    Err(panic) => (Some(Outcome::Failed { failure: panicked(&*panic) }), Usage::default()),
                };
            }
            () = handles.kill.cancelled() => return (ended_by(*handles.stop.borrow(), limits), Usage::default()),
            // Before the timeouts, so that a granted extension counts.
            Ok(()) = extensions.changed() => {
                let more = extensions.borrow_and_update().saturating_sub(extended);
                extended += more;
                limits.extend(more);
                soft_at = soft_at.and(limits.soft).map(|soft| limits.at(soft));
                // After a stop request, an extension cannot exceed the stop grace period.
                if !leaving {
                    end_at = limits.at(limits.hard);
                }
            }
            () = sleep_until(end_at) => return (ended_by(*handles.stop.borrow(), limits), Usage::default()),
            () = sleep_until(soft_at.unwrap_or(end_at)), if soft_at.is_some() => {
                soft_at = None;
                shared.leases.stop(job_id, StopReason::SoftTimeout);
            }
            changed = handles.stop.changed() => {
                if changed.is_err() {
                    // The worker no longer holds the lease.
                    return (None, Usage::default());
                }
                let asked = *handles.stop.borrow_and_update();
                if matches!(asked, Some(StopReason::Cancelled | StopReason::Shutdown)) {
                    leaving = true;
                    end_at = end_at.min(Instant::now() + limits.grace);
                }
            }
        }
    }
}

/// The outcome of an attempt that was ended without an answer of its handler.
fn ended_by(reason: Option<StopReason>, limits: &Limits) -> Option<Outcome> {
    match reason {
        Some(StopReason::LeaseLost) => None,
        Some(StopReason::Cancelled) => Some(Outcome::Cancelled),
        Some(StopReason::Shutdown) => Some(Outcome::Released),
        Some(StopReason::SoftTimeout) | None => {
            let message = format!(
                "timed out: ended after its hard timeout of {}",
                humantime::format_duration(limits.hard)
            );
            Some(Outcome::Failed { failure: timeout(message) })
        }
    }
}

fn outcome_of(
    result: Result<Completion, JobError>,
    reason: Option<StopReason>,
    heeds_stop: bool,
    limits: &Limits,
) -> (Option<Outcome>, Usage) {
    let error = match result {
        // A stop is not a success: a handler that knows of the request and returns nothing has stopped.
        Ok(completion) if reason.is_some() && heeds_stop && !completion.is_done() => {
            JobError::stopped().usage(completion.usage)
        }
        Ok(completion) => return (Some(Outcome::Completed { result: completion.result }), completion.usage),
        Err(error) => error,
    };
    let usage = error.usage.clone();
    let outcome = match (error.next.clone(), reason) {
        (_, Some(StopReason::LeaseLost)) => None,
        (_, Some(StopReason::Cancelled)) => Some(Outcome::Cancelled),
        (Next::Snooze(delay), _) => Some(Outcome::Snoozed { delay }),
        (Next::Wait(wait), _) => Some(Outcome::Waits { wait: *wait }),
        (_, Some(StopReason::Shutdown)) | (Next::Release, _) => Some(Outcome::Released),
        (Next::Retry | Next::RetryAfter(_), Some(StopReason::SoftTimeout)) => {
            let soft = limits.soft.unwrap_or(limits.hard);
            let message = format!(
                "timed out: stopped after its soft timeout of {}: {error}",
                humantime::format_duration(soft)
            );
            Some(Outcome::Failed { failure: timeout(message) })
        }
        _ => Some(Outcome::Failed { failure: storable(error.into_failure()) }),
    };
    (outcome, usage)
}

/// The outcome of an attempt with a result: encrypted, in object storage, or refused, as the store decides.
async fn kept(shared: &Shared, lease: (uuid::Uuid, uuid::Uuid), result: Value) -> Outcome {
    let (size, limit) = (result.to_string().len(), shared.store.result_limit_bytes());
    let failure = if size > limit {
        Failure {
            message: format!(
                "the result has {size} bytes; at most {limit} are allowed; configure [storage] for larger \
                 ones, or store it elsewhere and return its address"
            ),
            class: "result_too_large".into(),
            permanent: true,
            ..Failure::default()
        }
    } else {
        match shared.store.keep_result(lease, result).await {
            Ok(result) => return Outcome::Completed { result: Some(result) },
            Err(error) => Failure {
                message: format!("the result could not be stored: {error}"),
                class: "result_not_stored".into(),
                permanent: !error.is_transient(),
                ..Failure::default()
            },
        }
    };
    Outcome::Failed { failure: storable(failure) }
}

/// Puts off a job whose args cannot be read here and now, without counting the attempt: another worker may
/// have the key.
async fn put_off(shared: &Shared, job_id: uuid::Uuid, lease_id: uuid::Uuid, error: &Error) {
    tracing::error!(
        %error, task_id = %job_id, retry_in = ?UNREADABLE_PAUSE,
        "the args of a job cannot be read; the job is put off"
    );
    let line = format!("its args cannot be read by worker {}: {error}", shared.id);
    let draft = EventDraft::new("log", json!({ "stream": "tidemill", "line": line }));
    let report = Report { job_id, lease_id, draft: Some(draft), stored: None, extension: None };
    let _ = shared.reports.send(report).await;
    flush(&shared.reports, (job_id, lease_id)).await;
    let outcome = if error.is_transient() {
        Outcome::Snoozed { delay: UNREADABLE_PAUSE }
    } else {
        let error = JobError::permanent(format!("the args cannot be read: {error}")).class("bad_args");
        Outcome::Failed { failure: storable(error.into_failure()) }
    };
    if let Some(ending) = ending(job_id, lease_id, outcome, Usage::default()) {
        let _ = shared.endings.send(ending).await;
    }
}

fn storable(failure: Failure) -> Failure {
    use crate::job::text::{storable_text, truncated};
    Failure {
        message: truncated(storable_text(failure.message), ERROR_MESSAGE_BYTES),
        class: truncated(storable_text(failure.class), ERROR_CLASS_BYTES),
        permanent: failure.permanent,
        backtrace: failure.backtrace.map(|trace| truncated(storable_text(trace), BACKTRACE_BYTES)),
        retry_after_seconds: failure.retry_after_seconds,
    }
}

fn timeout(message: String) -> Failure {
    storable(Failure { message, class: "timeout".into(), permanent: false, ..Failure::default() })
}

fn panicked(panic: &(dyn std::any::Any + Send)) -> Failure {
    let text = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned());
    storable(Failure {
        message: format!("the handler panicked: {text}"),
        class: "panic".into(),
        permanent: false,
        ..Failure::default()
    })
}
