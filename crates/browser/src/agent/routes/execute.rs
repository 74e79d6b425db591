//! Accepts a task for a browser: POST /execute. Stores a job of the kind `agent.execute`, or of the
//! kind that the config names, as POST /api/v1/jobs would; must never accept a task that no worker could run.

use axum::Extension;
use axum::extract::State;
use axum::http::HeaderMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::target::Target;
use crate::agent::args::{AgentTask, BadTask, SessionData};
use tidemill::extension::http::{
    Caller, Case, GivenArgs, KeyedRequest, PriorityInput, RawBody, Repeatable, enqueue_once, parse_json,
    quoted, validate,
};
use tidemill::extension::jobs::{EXECUTION_ID_CHARACTERS, Enqueued, PreparedJob};
use tidemill::{ApiState, NewJob, Problem};

const ROUTE: &str = "POST /execute";

/// A task for a browser.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ExecuteRequest {
    /// The task in words.
    #[schema(min_length = 1, max_length = 20_000, example = "Navigate to example.com and check balance")]
    task_description: String,
    /// The first page and the login data. No answer, event or page ever shows these values.
    session_data: Option<SessionData>,
    /// 1 (first) to 9 (last), or `critical`, `high`, `normal`, `low`.
    #[schema(value_type = Option<PriorityInput>)]
    priority: Option<Value>,
    /// Your own name for the task, 1 to 255 characters; generated if left out.
    #[schema(min_length = 1, max_length = 255)]
    execution_id: Option<String>,
}

/// The queued task.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Accepted {
    /// True.
    success: bool,
    #[schema(value_type = String)]
    message: &'static str,
    /// The execution id, by which the task can be followed.
    execution_id: String,
    /// The job's id.
    task_id: Uuid,
    /// The URL of its state.
    #[schema(example = "/api/tasks/9b2…/status")]
    status_url: String,
}

/// Run a task in a browser
///
/// The task is stored durably when the answer arrives, and the next free worker runs it. With an
/// `Idempotency-Key` the request may be repeated.
#[utoipa::path(
    post, path = "/execute", tag = "tasks", request_body = ExecuteRequest,
    params(("Idempotency-Key" = Option<String>, Header, description = "1 to 255 printable characters, new for each piece of work")),
    responses(
        (status = 202, description = "The task is queued", body = Accepted),
        (status = 409, description = "The execution id or the Idempotency-Key is taken, or the queue is draining"),
        (status = 503, description = "No model is configured"),
    )
)]
pub(super) async fn execute(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    Extension(target): Extension<Target>,
    headers: HeaderMap,
    RawBody(body): RawBody,
) -> Result<Repeatable, Problem> {
    if !target.is_ready {
        return Err(no_model());
    }
    let job = state.store.prepare(read(&body, state.settings.max_args_bytes, &target)?).await?;
    let request = KeyedRequest { route: ROUTE, caller: &caller, headers: &headers, body: &body };
    enqueue_once(&state, &request, job, &accepted).await
}

fn no_model() -> Problem {
    Problem::new(Case::Unavailable, "No model is configured, so the task cannot be carried out.").remedy(
        "Set agent.model (and agent.base_url, agent.api_key) in the config of every server and worker.",
    )
}

/// The rules for such a job, whichever route it comes from.
pub(in crate::agent) fn args_check(has_model: bool) -> impl Fn(GivenArgs<'_>) -> Result<(), Problem> {
    move |given| {
        if !has_model {
            return Err(no_model());
        }
        if given.is_whole {
            AgentTask::read(given.args.clone()).map_err(|bad| unfit(bad).under("/args"))?;
        }
        Ok(())
    }
}

fn unfit(bad: BadTask) -> Problem {
    Problem::invalid(bad.field, bad.what).remedy(bad.remedy)
}

fn read(body: &[u8], max_args_bytes: usize, target: &Target) -> Result<NewJob, Problem> {
    let ExecuteRequest { task_description, session_data, priority, execution_id } = parse_json(body)?;
    let task = AgentTask { task_description, session_data };
    task.check().map_err(unfit)?;
    let args = task.args();
    let bytes = validate::json_bytes(&args);
    if bytes > max_args_bytes {
        let detail = format!("The task is {bytes} bytes of JSON; the limit is {max_args_bytes}.");
        return Err(Problem::new(Case::TooLarge, detail).member("limit_bytes", max_args_bytes));
    }
    let execution_id = match execution_id {
        Some(id) if id == "." || id == ".." => return Err(no_part_of_a_path(&id)),
        Some(id) => validate::text("/execution_id", id, EXECUTION_ID_CHARACTERS)?,
        None => Uuid::new_v4().to_string(),
    };
    Ok(NewJob {
        queue: target.queue.clone(),
        priority: priority.map(|priority| validate::priority("/priority", &priority)).transpose()?,
        execution_id: Some(execution_id),
        ..NewJob::new(&*target.kind, args)
    })
}

/// A client removes such a part from an address, even percent-encoded, so the task's state could not be
/// requested.
fn no_part_of_a_path(id: &str) -> Problem {
    Problem::invalid("/execution_id", format!("{} cannot be part of an address.", quoted(id)))
        .remedy("Use another name than \".\" and \"..\", or leave it out.")
}

fn accepted(enqueued: &Enqueued, job: PreparedJob) -> Result<Value, Problem> {
    let execution_id = job.into_job().execution_id.unwrap_or_default();
    let answer = Accepted {
        success: true,
        message: "Task queued for execution",
        status_url: format!("/api/tasks/{}/status", super::status::encoded(&execution_id)),
        execution_id,
        task_id: enqueued.id,
    };
    serde_json::to_value(answer).map_err(|error| Problem::internal(&error))
}
