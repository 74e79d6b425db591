//! Many outcomes of attempts in one request, for remote workers that run many short jobs: each is handled
//! separately, and a lost lease never stops the rest. Checkpoints and progress of an end are stored before
//! it.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use super::super::state::ApiState;
use super::before_end::{BeforeEnd, EndProgress, EndStep};
use super::responses::JobStateResponse;
use super::settle::{FailError, OtherEnd, ReportedEnd, checked_result, complete_many, end_many};
use crate::api::jobs::duration_input::DurationInput;
use crate::api::server::json::{RawBody, parse_storable, part};
use crate::api::server::problem::{Problem, ProblemDocument};

const MOST_ENDS: usize = 1_000;

/// The outcomes of attempts.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SettleRequest {
    /// 1 to 1,000 outcomes.
    #[schema(min_items = 1, max_items = 1000)]
    ends: Vec<End>,
}

/// The outcome of one attempt: with `error` as in `fail`, with `delay` as in `snooze`, otherwise as in
/// `complete`.
#[derive(Debug, Deserialize, ToSchema)]
struct End {
    /// The job.
    job_id: Uuid,
    /// Checkpoints to store before the end, at most 20.
    #[serde(default)]
    #[schema(max_items = 20)]
    steps: Vec<EndStep>,
    /// Progress to report before the end, after the steps.
    progress: Option<EndProgress>,
    /// The fields of `complete`, `fail` or `snooze`.
    #[serde(flatten)]
    #[schema(value_type = EndFields)]
    fields: Map<String, Value>,
}

/// The fields of `complete`, `fail` or `snooze`.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it is only described; each end is read as one of the three")]
struct EndFields {
    /// The lease that the claim returned.
    lease_id: Uuid,
    /// The result, at most 1 MiB of JSON; more with object storage.
    #[schema(value_type = Option<Value>)]
    result: Option<Value>,
    /// The error.
    error: Option<FailError>,
    /// With `error`: true if no further attempt can help.
    permanent: Option<bool>,
    /// With `error`: the delay before the next attempt, instead of the kind's backoff.
    retry_after: Option<DurationInput>,
    /// The job runs again after this delay, and the attempt does not count.
    delay: Option<DurationInput>,
}

/// The state after each outcome, in order.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SettleAnswer {
    results: Vec<EndResult>,
}

/// The answer to one outcome: the state of its job, or the reason why nothing was changed.
#[derive(Debug, Serialize, ToSchema)]
struct EndResult {
    /// The job.
    job_id: Uuid,
    /// The state of the job, as in the answer of `complete` or `fail`.
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<String>,
    /// The reason why nothing was changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<ProblemDocument>)]
    problem: Option<Value>,
}

/// What an end asks for, checked.
enum Ending {
    Done(ReportedEnd),
    Other(OtherEnd),
}

impl End {
    /// Reads the reports before the end, and the end.
    async fn checked(self, state: &ApiState, before_end: &mut BeforeEnd) -> Result<Ending, Problem> {
        let Self { job_id, steps, progress, fields } = self;
        let is_failed = fields.contains_key("error");
        let is_snoozed = fields.contains_key("delay");
        let fields = Value::Object(fields);
        let lease_id = fields["lease_id"].as_str().and_then(|lease| Uuid::try_parse(lease).ok());
        let ending = if is_failed {
            Ending::Other(OtherEnd::failed(job_id, part(fields, "")?)?)
        } else if is_snoozed {
            Ending::Other(OtherEnd::snoozed(job_id, &part(fields, "")?)?)
        } else {
            Ending::Done(checked_result(state, job_id, part(fields, "")?).await?)
        };
        if let Some(lease_id) = lease_id {
            before_end.take((job_id, lease_id), steps, progress)?;
        }
        Ok(ending)
    }
}

/// End many attempts
///
/// Completed, failed and snoozed attempts together, each with the checkpoints and the progress that
/// go before its end. Each outcome may be repeated, as in its own request.
#[utoipa::path(
    post, path = "/api/v1/worker/settle", tag = "remote workers", request_body = SettleRequest,
    responses((status = 200, description = "The state after each outcome, in order", body = SettleAnswer))
)]
pub(crate) async fn settle(
    State(state): State<ApiState>,
    RawBody(body): RawBody,
) -> Result<Json<SettleAnswer>, Problem> {
    let request: SettleRequest = parse_storable(&body)?;
    if !(1..=MOST_ENDS).contains(&request.ends.len()) {
        let problem = Problem::invalid("/ends", format!("There are {} outcomes.", request.ends.len()));
        return Err(problem.remedy(format!("Send 1 to {MOST_ENDS}.")));
    }
    let jobs: Vec<Uuid> = request.ends.iter().map(|end| end.job_id).collect();
    let mut results: Vec<Option<Result<JobStateResponse, Problem>>> = jobs.iter().map(|_| None).collect();
    let mut before_end = BeforeEnd::default();
    let (mut done_at, mut done, mut others_at, mut others) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (index, end) in request.ends.into_iter().enumerate() {
        match end.checked(&state, &mut before_end).await {
            Ok(Ending::Done(end)) => {
                done_at.push(index);
                done.push(end);
            }
            Ok(Ending::Other(end)) => {
                others_at.push(index);
                others.push(end);
            }
            Err(problem) => results[index] = Some(Err(problem)),
        }
    }
    // A lost lease stores nothing of it, which the end finds out: it may be the same end once more.
    before_end.store(&state).await?;
    for (index, job_state) in others_at.into_iter().zip(end_many(&state, &others).await?) {
        results[index] = Some(job_state);
    }
    for (index, job_state) in done_at.into_iter().zip(complete_many(&state, done).await?) {
        results[index] = Some(job_state);
    }
    let results = jobs.into_iter().zip(results).enumerate();
    let result =
        |(index, (job_id, end)): (usize, (Uuid, Option<_>))| Some(EndResult::of(index, job_id, end?));
    Ok(Json(SettleAnswer { results: results.filter_map(result).collect() }))
}

impl EndResult {
    fn of(index: usize, job_id: Uuid, end: Result<JobStateResponse, Problem>) -> Self {
        match end {
            Ok(job_state) => Self { job_id, state: Some(job_state.state.word().to_owned()), problem: None },
            Err(problem) => {
                let problem = json!(problem.under(&format!("/ends/{index}")).document());
                Self { job_id, state: None, problem: Some(problem) }
            }
        }
    }
}
