//! What a request says of uniqueness, and the answer when another job has the key. Which job that is the
//! database judged; nothing here may look for itself.

use serde::Serialize;
use serde_json::Value;
use sqlx::PgExecutor;
use utoipa::ToSchema;
use uuid::Uuid;

use super::create_request::DurationInput;
use crate::api::server::problem::Problem;
use crate::job::document::JobDocument;
use crate::job::unique::Unique;
use crate::store::Store;
use crate::store::jobs::find::find_jobs_in;

/// When a job is the only one. Without `key` its kind and what `by` names make the key.
#[derive(ToSchema)]
#[schema(as = Unique)]
#[expect(dead_code, reason = "it is only described; `Unique::read` reads it")]
pub(crate) struct UniqueInput {
    /// A key of its own, shared by all kinds; `{name}` stands for that arg.
    #[schema(min_length = 1, max_length = 255, example = "report:{customer}")]
    key: Option<String>,
    /// What counts besides the kind: some of `kind`, `queue`, `args`; kind and args by default.
    by: Option<Vec<String>>,
    /// The args that count; all by default.
    #[schema(min_items = 1, max_items = 20)]
    args: Option<Vec<String>>,
    /// The statuses in which a job stands in the way: `scheduled`, `available` and `waiting` always, and any of
    /// `retrying`, `running`, `completed`, `failed`, `cancelled`. By default the unfinished ones, with a window or a
    /// period also `completed`.
    states: Option<Vec<String>>,
    /// A job stands in the way only so long after it was enqueued.
    window: Option<DurationInput>,
    /// One job for each such period of the clock, by the time for which it is scheduled.
    period: Option<DurationInput>,
    /// `keep` (the existing job is the answer, by default), `reject`, `replace`, or `next_period` (it runs in
    /// the next period if no other does).
    on_conflict: Option<String>,
    /// With `replace`: which of `args`, `run_at`, `priority`, `max_attempts`, `tags`, `metadata` the existing job
    /// takes over, unless it runs or is finished.
    replace: Option<Vec<String>>,
}

/// The job that is there already.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ExistingJob {
    /// True: no new job was stored.
    existing: bool,
    #[serde(flatten)]
    job: JobDocument,
}

/// Reads the wish under `field`.
///
/// # Errors
/// 422 with the part of it that is not acceptable.
pub(crate) fn read(field: &str, wish: &Value) -> Result<Unique, Problem> {
    Unique::read(wish).map_err(|fault| {
        Problem::invalid(format!("{field}{}", fault.field), fault.detail).remedy(fault.remedy)
    })
}

/// The answer that shows the existing job.
pub(crate) async fn existing(
    store: &Store,
    executor: impl PgExecutor<'_>,
    id: Uuid,
) -> Result<Value, Problem> {
    let Some(job) = find_jobs_in(executor, &[id]).await?.into_iter().next() else {
        return Err(Problem::unavailable("The job with this unique key was just deleted.", &id));
    };
    let job = store.shown(job);
    serde_json::to_value(ExistingJob { existing: true, job }).map_err(|error| Problem::internal(&error))
}

/// Whether a stored answer is that of an existing job.
pub(crate) fn is_existing(answer: &Value) -> bool {
    answer["existing"] == true
}
