//! Ends a remote worker's attempt: complete, fail, snooze. Repeating the same outcome with the same
//! lease returns the same answer; a different outcome or lease is rejected.

use std::collections::HashMap;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::super::state::ApiState;
use super::responses::{JobStateResponse, lease_lost};
use crate::api::jobs::job_id::JobId;
use crate::api::server::json::{RawBody, parse_storable};
use crate::api::server::problem::{Case, Problem};
use crate::api::server::validate;
use crate::job::attempt::{Failure, Outcome, StopReason, Usage};
use crate::job::limits::{BACKTRACE_BYTES, ERROR_CLASS_BYTES, ERROR_MESSAGE_BYTES};
use crate::job::state::JobState;
use crate::job::text::truncated;
use crate::store::attempts::complete::Completed;
use crate::store::attempts::replayed_outcome::ReportedOutcome;
use crate::store::attempts::settle::Settled;

/// The attempt is done.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CompleteRequest {
    /// The lease that the claim returned.
    lease_id: Uuid,
    /// The result, at most 1 MiB of JSON; more with object storage. An attempt that ends without a
    /// result is cancelled if a cancel was requested, and timed out after its soft timeout; an
    /// attempt that is done in spite of that sends a result, and null is a result.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<Value>)]
    result: Option<Value>,
}

/// A given value, even if it is null.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

/// An attempt that its worker calls done.
#[derive(Debug)]
pub(crate) struct ReportedEnd {
    completed: Completed,
    /// With a result, if only null: then it is done whatever was asked for.
    with_result: bool,
}

/// The attempt failed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FailRequest {
    /// The lease that the claim returned.
    lease_id: Uuid,
    /// Why.
    error: FailError,
    /// True if no further attempt can help.
    permanent: Option<bool>,
    /// The delay before the next attempt, instead of the kind's backoff.
    #[schema(value_type = Option<crate::api::jobs::duration_input::DurationInput>)]
    retry_after: Option<Value>,
}

/// The error of an attempt; very long texts are cut and marked.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FailError {
    /// For a person.
    message: String,
    /// A stable class, such as the exception's name; by default `error`.
    #[serde(rename = "type")]
    class: Option<String>,
    /// A stack trace.
    backtrace: Option<String>,
}

/// The attempt is continued later.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SnoozeAttemptRequest)]
pub(crate) struct SnoozeRequest {
    /// The lease that the claim returned.
    lease_id: Uuid,
    /// The delay: text such as `30s`, or a number of seconds.
    #[schema(value_type = crate::api::jobs::duration_input::DurationInput)]
    delay: Value,
}

/// Complete a job
///
/// An attempt that ends without a result after a cancel request or after its soft timeout counts as
/// stopped: its job is cancelled, or the attempt has timed out.
#[utoipa::path(
    post, path = "/api/v1/worker/jobs/{id}/complete", tag = "remote workers", request_body = CompleteRequest,
    responses(
        (status = 200, description = "The job is completed; or the state after a requested stop", body = JobStateResponse),
        (status = 409, description = "The lease is lost"),
    )
)]
pub(crate) async fn complete(
    State(state): State<ApiState>,
    JobId(job_id): JobId,
    RawBody(body): RawBody,
) -> Result<Json<JobStateResponse>, Problem> {
    let attempt = checked_result(&state, job_id, parse_storable(&body)?).await?;
    complete_many(&state, vec![attempt])
        .await?
        .pop()
        .unwrap_or_else(|| Err(lease_lost(job_id, job_id)))
        .map(Json)
}

/// An attempt's end as it is stored.
///
/// # Errors
/// 413 for a result that is too large.
pub(crate) async fn checked_result(
    state: &ApiState,
    job_id: Uuid,
    request: CompleteRequest,
) -> Result<ReportedEnd, Problem> {
    let CompleteRequest { lease_id, result } = request;
    let with_result = result.is_some();
    let result = result.filter(|result| !result.is_null());
    let bytes = result.as_ref().map_or(0, validate::json_bytes);
    let limit = state.store.result_limit_bytes();
    if bytes > limit {
        let detail = format!("The result is {bytes} bytes of JSON; the limit is {limit}.");
        let problem = Problem::new(Case::TooLarge, detail).field("/result").member("limit_bytes", limit);
        return Err(problem.remedy(
            "Configure [storage] for large results, or store the result elsewhere and send its address.",
        ));
    }
    let result = match result {
        Some(result) => Some(state.store.keep_result((job_id, lease_id), result).await?),
        None => None,
    };
    let completed = Completed { job_id, lease_id, result, usage: Usage::default() };
    Ok(ReportedEnd { completed, with_result })
}

/// How an attempt ends that brings nothing after its soft timeout; the same each time, so that it can be repeated.
fn timed_out() -> Failure {
    Failure {
        message: "timed out: the handler ended without a result after its soft timeout".into(),
        class: "timeout".into(),
        ..Failure::default()
    }
}

/// Ends attempts reported as done, in order: a stop is not a success, so attempts without a result after a
/// stop request are cancelled or timed out; the rest are completed in one statement. Returns the state of
/// each job.
///
/// # Errors
/// When the database fails.
pub(crate) async fn complete_many(
    state: &ApiState,
    batch: Vec<ReportedEnd>,
) -> Result<Vec<Result<JobStateResponse, Problem>>, Problem> {
    let bare = || batch.iter().filter(|reported| !reported.with_result).map(|reported| &reported.completed);
    let leases: Vec<Uuid> = bare().map(|item| item.lease_id).collect();
    let jobs: Vec<Uuid> = bare().map(|item| item.job_id).collect();
    let shall_stop =
        if leases.is_empty() { HashMap::new() } else { state.store.shall_stop(&jobs, &leases).await? };
    let timeout = timed_out();
    let timeout_json = serde_json::to_value(&timeout).map_err(|error| Problem::internal(&error))?;
    let mut states: Vec<Option<Result<JobStateResponse, Problem>>> = batch.iter().map(|_| None).collect();
    let (mut places, mut done) = (Vec::new(), Vec::new());
    for (place, ReportedEnd { completed, with_result }) in batch.into_iter().enumerate() {
        let Completed { job_id, lease_id, .. } = completed;
        let stop = shall_stop.get(&lease_id).filter(|_| !with_result);
        if let Some(reason) = stop {
            let outcome = match reason {
                StopReason::SoftTimeout => Outcome::Failed { failure: timeout.clone() },
                _ => Outcome::Cancelled,
            };
            states[place] =
                Some(end(state, job_id, lease_id, outcome, &ReportedOutcome::Stopped(&timeout_json)).await);
        } else {
            places.push((place, with_result));
            done.push(completed);
        }
    }
    for ((place, _), reported) in places.iter().zip(complete_all(state, done, &places, &timeout_json).await?)
    {
        states[*place] = Some(reported);
    }
    Ok(states.into_iter().flatten().collect())
}

async fn complete_all(
    state: &ApiState,
    batch: Vec<Completed>,
    with_result: &[(usize, bool)],
    timeout: &Value,
) -> Result<Vec<Result<JobStateResponse, Problem>>, Problem> {
    if batch.is_empty() {
        return Ok(Vec::new());
    }
    let done = state.store.complete(&batch).await?;
    state.announcer.completed(&batch, &done, true);
    let mut states = Vec::with_capacity(batch.len());
    for (Completed { job_id, lease_id, result, .. }, (_, with_result)) in batch.into_iter().zip(with_result) {
        states.push(if done.leased.contains(&(job_id, lease_id)) {
            Ok(JobStateResponse { state: JobState::Completed })
        } else {
            let reported = if *with_result {
                ReportedOutcome::Completed(result.as_ref())
            } else {
                ReportedOutcome::Stopped(timeout)
            };
            replayed(state, job_id, lease_id, &reported).await
        });
    }
    Ok(states)
}

/// Fail an attempt
///
/// The job is retried by the rules of its kind, unless the failure is permanent or its attempts are
/// used up. A job with a cancel request is cancelled.
#[utoipa::path(
    post, path = "/api/v1/worker/jobs/{id}/fail", tag = "remote workers", request_body = FailRequest,
    responses(
        (status = 200, description = "The state that follows", body = JobStateResponse),
        (status = 409, description = "The lease is lost"),
    )
)]
pub(crate) async fn fail(
    State(state): State<ApiState>,
    JobId(job_id): JobId,
    RawBody(body): RawBody,
) -> Result<Json<JobStateResponse>, Problem> {
    end_one(&state, OtherEnd::failed(job_id, parse_storable(&body)?)?).await
}

/// An attempt that ends otherwise than done.
#[derive(Debug)]
pub(crate) struct OtherEnd {
    job_id: Uuid,
    lease_id: Uuid,
    how: How,
}

/// How it ends.
#[derive(Debug)]
enum How {
    /// With a failure, also as it is stored.
    Failed(Failure, Value),
    /// To continue after this delay.
    Snoozed(Duration),
}

impl OtherEnd {
    /// An attempt that failed.
    ///
    /// # Errors
    /// 422 for a delay that is none.
    pub(crate) fn failed(job_id: Uuid, request: FailRequest) -> Result<Self, Problem> {
        let longest = validate::LONGEST_DURATION;
        let retry_after = request
            .retry_after
            .map(|delay| validate::duration("/retry_after", &delay, longest))
            .transpose()?;
        let failure = Failure {
            retry_after_seconds: retry_after.map(|delay| delay.as_secs_f64()),
            message: truncated(request.error.message, ERROR_MESSAGE_BYTES),
            class: truncated(request.error.class.unwrap_or_else(|| "error".into()), ERROR_CLASS_BYTES),
            permanent: request.permanent.unwrap_or(false),
            backtrace: request.error.backtrace.map(|backtrace| truncated(backtrace, BACKTRACE_BYTES)),
        };
        let error = serde_json::to_value(&failure).map_err(|error| Problem::internal(&error))?;
        Ok(Self { job_id, lease_id: request.lease_id, how: How::Failed(failure, error) })
    }

    /// An attempt that is continued later.
    ///
    /// # Errors
    /// 422 for a delay that is none.
    pub(crate) fn snoozed(job_id: Uuid, request: &SnoozeRequest) -> Result<Self, Problem> {
        let delay = validate::duration("/delay", &request.delay, validate::LONGEST_DURATION)?;
        // The database counts microseconds.
        let delay = Duration::from_micros(u64::try_from(delay.as_micros()).unwrap_or(u64::MAX));
        Ok(Self { job_id, lease_id: request.lease_id, how: How::Snoozed(delay) })
    }

    fn outcome(&self) -> Outcome {
        match &self.how {
            How::Failed(failure, _) => Outcome::Failed { failure: failure.clone() },
            How::Snoozed(delay) => Outcome::Snoozed { delay: *delay },
        }
    }

    fn reported(&self) -> ReportedOutcome<'_> {
        match &self.how {
            How::Failed(_, error) => ReportedOutcome::Failed(error),
            How::Snoozed(delay) => ReportedOutcome::Snoozed(*delay),
        }
    }
}

/// Ends attempts that did not complete, in one transaction, and returns the state of each job in order.
///
/// # Errors
/// When the database fails; then none is ended.
pub(crate) async fn end_many(
    state: &ApiState,
    batch: &[OtherEnd],
) -> Result<Vec<Result<JobStateResponse, Problem>>, Problem> {
    let settled: Vec<Settled> = batch
        .iter()
        .filter_map(|end| Settled::of(end.job_id, end.lease_id, end.outcome(), Usage::default()))
        .collect();
    if settled.is_empty() {
        return Ok(Vec::new());
    }
    let settlements = state.store.settle(&settled).await?;
    state.announcer.settled(&settled, &settlements, true);
    let mut states = Vec::with_capacity(batch.len());
    for (end, settlement) in batch.iter().zip(settlements) {
        states.push(match settlement {
            Some(settlement) => Ok(JobStateResponse { state: settlement.state }),
            None => replayed(state, end.job_id, end.lease_id, &end.reported()).await,
        });
    }
    Ok(states)
}

async fn end_one(state: &ApiState, end: OtherEnd) -> Result<Json<JobStateResponse>, Problem> {
    let lost = || Err(lease_lost(end.job_id, end.lease_id));
    end_many(state, std::slice::from_ref(&end)).await?.pop().unwrap_or_else(lost).map(Json)
}

/// Snooze a job
///
/// Puts the job off without counting the attempt.
#[utoipa::path(
    post, path = "/api/v1/worker/jobs/{id}/snooze", tag = "remote workers", request_body = SnoozeRequest,
    responses(
        (status = 200, description = "The state that follows", body = JobStateResponse),
        (status = 409, description = "The lease is lost"),
    )
)]
pub(crate) async fn snooze(
    State(state): State<ApiState>,
    JobId(job_id): JobId,
    RawBody(body): RawBody,
) -> Result<Json<JobStateResponse>, Problem> {
    end_one(&state, OtherEnd::snoozed(job_id, &parse_storable(&body)?)?).await
}

/// Ends an attempt that stopped.
async fn end(
    state: &ApiState,
    job_id: Uuid,
    lease_id: Uuid,
    outcome: Outcome,
    reported: &ReportedOutcome<'_>,
) -> Result<JobStateResponse, Problem> {
    match settle_one(state, job_id, lease_id, outcome).await? {
        Some(job_state) => Ok(JobStateResponse { state: job_state }),
        None => replayed(state, job_id, lease_id, reported).await,
    }
}

/// Stores and announces the end of an attempt; returns the state of its job, `None` if the lease is lost.
///
/// # Errors
/// When the database fails.
pub(super) async fn settle_one(
    state: &ApiState,
    job_id: Uuid,
    lease_id: Uuid,
    outcome: Outcome,
) -> Result<Option<JobState>, Problem> {
    let settled = Settled::of(job_id, lease_id, outcome, Usage::default());
    let settlements = state.store.settle(settled.as_slice()).await?;
    state.announcer.settled(settled.as_slice(), &settlements, true);
    Ok(settlements.into_iter().flatten().next().map(|settlement| settlement.state))
}

async fn replayed(
    state: &ApiState,
    job_id: Uuid,
    lease_id: Uuid,
    reported: &ReportedOutcome<'_>,
) -> Result<JobStateResponse, Problem> {
    match state.store.settled_by(job_id, lease_id, reported).await? {
        Some(job_state) => Ok(JobStateResponse { state: job_state }),
        None => Err(lease_lost(job_id, lease_id)),
    }
}
