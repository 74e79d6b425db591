//! Reports of a remote worker about a running attempt: progress and log lines. Only the holder of
//! the lease is accepted. With an Idempotency-Key a repeated request writes nothing twice.

use std::collections::HashMap;

use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use super::super::state::ApiState;
use super::responses::{JobStateResponse, lease_lost};
use crate::api::jobs::job_id::JobId;
use crate::api::page_response::Repeatable;
use crate::api::server::auth::caller::Caller;
use crate::api::server::idempotency::{Begun, Keyed};
use crate::api::server::json::{RawBody, parse_storable};
use crate::api::server::problem::{Case, Problem};
use crate::api::server::validate;
use crate::job::event::EventDraft;
use crate::job::limits::LOG_LINE_BYTES;
use crate::job::state::JobState;
use crate::job::text::truncated;
use crate::store::attempts::report::{Reported, report_in};

const STEP_BYTES: usize = 1024;
const DATA_BYTES: usize = 64 * 1024;
const MOST_LINES: usize = 1_000;

/// The progress of an attempt; fields left out stay as they are.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProgressRequest {
    /// The lease that the claim returned.
    lease_id: Uuid,
    /// 0 to 100.
    #[schema(minimum = 0, maximum = 100)]
    percent: Option<f64>,
    /// The current step of the job.
    step: Option<String>,
    /// Your own data, at most 64 KiB of JSON.
    #[schema(value_type = Option<Value>)]
    data: Option<Value>,
}

/// Lines of an attempt's log.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LogRequest {
    /// The lease that the claim returned.
    lease_id: Uuid,
    /// 1 to 1,000 lines; a line of more than 64 KiB is cut and marked.
    #[schema(min_items = 1, max_items = 1000)]
    lines: Vec<String>,
    /// The source of the lines, such as `stdout` (the default) or `stderr`.
    stream: Option<String>,
}

/// Report progress
#[utoipa::path(
    post, path = "/api/v1/worker/jobs/{id}/progress", tag = "remote workers", request_body = ProgressRequest,
    params(
        ("Idempotency-Key" = Option<String>, Header, description = "1 to 255 printable characters, new for each report"),
    ),
    responses(
        (status = 200, description = "The report is stored", body = JobStateResponse),
        (status = 409, description = "The lease is lost"),
    )
)]
pub(crate) async fn progress(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    JobId(job_id): JobId,
    headers: HeaderMap,
    RawBody(body): RawBody,
) -> Result<Repeatable, Problem> {
    let request: ProgressRequest = parse_storable(&body)?;
    let draft = progress_draft(request.percent, request.step, request.data)?;
    let batch = [Reported { job_id, lease_id: request.lease_id, draft }];
    let keyed = Keyed::of(&headers, &caller, &format!("POST /worker/jobs/{job_id}/progress"), &body)?;
    report(&state, &batch, keyed).await
}

/// The event of a report of progress.
///
/// # Errors
/// 422 for what is no percentage, 413 for data that are too large.
pub(super) fn progress_draft(
    percent: Option<f64>,
    step: Option<String>,
    data: Option<Value>,
) -> Result<EventDraft, Problem> {
    if let Some(percent) = percent.filter(|percent| !(0.0..=100.0).contains(percent)) {
        let problem = Problem::invalid("/percent", format!("{percent} is out of bounds."));
        return Err(problem.remedy("Use 0 to 100."));
    }
    let bytes = data.as_ref().map_or(0, validate::json_bytes);
    if bytes > DATA_BYTES {
        let detail = format!("The data is {bytes} bytes of JSON; the limit is {DATA_BYTES}.");
        return Err(Problem::new(Case::TooLarge, detail).field("/data").member("limit_bytes", DATA_BYTES));
    }
    let step = step.map(|step| truncated(step, STEP_BYTES));
    Ok(EventDraft::progress(percent, step.as_deref(), data))
}

/// Write log lines
#[utoipa::path(
    post, path = "/api/v1/worker/jobs/{id}/log", tag = "remote workers", request_body = LogRequest,
    params(
        ("Idempotency-Key" = Option<String>, Header, description = "1 to 255 printable characters, new for each report"),
    ),
    responses(
        (status = 200, description = "The lines are stored", body = JobStateResponse),
        (status = 409, description = "The lease is lost"),
    )
)]
pub(crate) async fn log(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    JobId(job_id): JobId,
    headers: HeaderMap,
    RawBody(body): RawBody,
) -> Result<Repeatable, Problem> {
    let request: LogRequest = parse_storable(&body)?;
    if !(1..=MOST_LINES).contains(&request.lines.len()) {
        let problem = Problem::invalid("/lines", format!("There are {} lines.", request.lines.len()));
        return Err(problem.remedy(format!("Send 1 to {MOST_LINES}.")));
    }
    let stream = validate::name("/stream", request.stream.unwrap_or_else(|| "stdout".into()))?;
    let lines = request.lines.into_iter().map(|line| Reported {
        job_id,
        lease_id: request.lease_id,
        draft: EventDraft::new("log", json!({ "stream": stream, "line": truncated(line, LOG_LINE_BYTES) })),
    });
    let batch: Vec<_> = lines.collect();
    let keyed = Keyed::of(&headers, &caller, &format!("POST /worker/jobs/{job_id}/log"), &body)?;
    report(&state, &batch, keyed).await
}

/// Stores events of one job; all are of the same lease.
async fn report(state: &ApiState, batch: &[Reported], keyed: Option<Keyed>) -> Result<Repeatable, Problem> {
    let Some(keyed) = keyed else {
        let marks = report_in(state.store.pool(), batch).await?;
        let body = heard(batch, &marks)?;
        state.notifier.events(marks);
        return Ok(Repeatable { status: StatusCode::OK, body, replayed: false });
    };
    match keyed.begin(&state.store).await? {
        Begun::Replay(body) => Ok(Repeatable { status: StatusCode::OK, body, replayed: true }),
        Begun::Work(mut work) => {
            let marks = report_in(work.connection(), batch).await?;
            let body = heard(batch, &marks)?;
            work.answer(&body).await?;
            state.notifier.events(marks);
            Ok(Repeatable { status: StatusCode::OK, body, replayed: false })
        }
    }
}

fn heard(batch: &[Reported], marks: &HashMap<Uuid, i64>) -> Result<Value, Problem> {
    if let Some(lost) = batch.iter().find(|item| !marks.contains_key(&item.job_id)) {
        return Err(lease_lost(lost.job_id, lost.lease_id));
    }
    serde_json::to_value(JobStateResponse { state: JobState::Running })
        .map_err(|error| Problem::internal(&error))
}
