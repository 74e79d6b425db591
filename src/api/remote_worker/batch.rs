//! Many outcomes of attempts in one request, for remote workers that run many short jobs: each is
//! judged separately, and a lost lease never stops the rest.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use super::super::state::ApiState;
use super::responses::JobStateResponse;
use super::settle::{FailError, checked_result, complete_many, fail_one};
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

/// The outcome of one attempt: with `error` as in `fail`, otherwise as in `complete`.
#[derive(Debug, Deserialize, ToSchema)]
struct End {
    /// The job.
    job_id: Uuid,
    /// The fields of `complete` or `fail`.
    #[serde(flatten)]
    #[schema(value_type = EndFields)]
    fields: Map<String, Value>,
}

/// The fields of `complete` or `fail`.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it is only described; each end is read as one of the two")]
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

/// End many attempts
///
/// Completed and failed attempts together. Each outcome may be repeated, as in its own request.
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
    let mut results: Vec<Option<Result<JobStateResponse, Problem>>> =
        request.ends.iter().map(|_| None).collect();
    let jobs: Vec<Uuid> = request.ends.iter().map(|end| end.job_id).collect();
    let (mut places, mut completed) = (Vec::new(), Vec::new());
    for (index, End { job_id, fields }) in request.ends.into_iter().enumerate() {
        if fields.contains_key("error") {
            results[index] = Some(match part(Value::Object(fields), "") {
                Ok(request) => fail_one(&state, job_id, request).await,
                Err(problem) => Err(problem),
            });
            continue;
        }
        let checked = match part(Value::Object(fields), "") {
            Ok(request) => checked_result(&state, job_id, request).await,
            Err(problem) => Err(problem),
        };
        match checked {
            Ok(attempt) => {
                places.push(index);
                completed.push(attempt);
            }
            Err(problem) => results[index] = Some(Err(problem)),
        }
    }
    for (index, job_state) in places.into_iter().zip(complete_many(&state, completed).await?) {
        results[index] = Some(job_state);
    }
    let result =
        |(index, (job_id, job_state)): (usize, (Uuid, Option<Result<JobStateResponse, Problem>>))| {
            match job_state? {
                Ok(job_state) => {
                    Some(EndResult { job_id, state: Some(job_state.state.word().to_owned()), problem: None })
                }
                Err(problem) => {
                    let problem = json!(problem.under(&format!("/ends/{index}")).document());
                    Some(EndResult { job_id, state: None, problem: Some(problem) })
                }
            }
        };
    let results = jobs.into_iter().zip(results).enumerate().filter_map(result).collect();
    Ok(Json(SettleAnswer { results }))
}
