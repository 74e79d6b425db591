//! Reads the unique rule of a request, and answers when another job holds the key. The database
//! finds that job; nothing here may search for it.

use serde::Serialize;
use serde_json::Value;
use sqlx::PgExecutor;
use utoipa::ToSchema;
use uuid::Uuid;

use super::duration_input::DurationInput;
use crate::api::server::problem::Problem;
use crate::job::document::JobDocument;
use crate::job::unique::Unique;
use crate::store::Store;
use crate::store::jobs::find::find_jobs_in;

/// The rule for a unique job. Without `key`, its kind and the fields in `by` form the key.
#[derive(ToSchema)]
#[schema(as = Unique)]
#[expect(dead_code, reason = "it is only described; `Unique::read` reads it")]
pub(crate) struct UniqueInput {
    /// A key that is shared by all kinds; `{name}` stands for the value of that arg.
    #[schema(min_length = 1, max_length = 255, example = "report:{customer}")]
    key: Option<String>,
    /// The parts of the key besides the kind: some of `kind`, `queue`, `args`; kind and args by
    /// default.
    by: Option<Vec<String>>,
    /// The args that count; all by default.
    #[schema(min_items = 1, max_items = 20)]
    args: Option<Vec<String>>,
    /// The statuses in which an existing job holds its key: always `scheduled`, `available` and
    /// `waiting`, and any of `retrying`, `running`, `completed`, `failed`, `cancelled`. By default
    /// the unfinished ones, with a window or a period also `completed`.
    states: Option<Vec<String>>,
    /// How long after its enqueue a job holds its key.
    window: Option<DurationInput>,
    /// One job per period of the clock, by the time for which it is scheduled.
    period: Option<DurationInput>,
    /// `keep` (the default: the answer is the existing job), `reject`, `replace`, or `next_period`
    /// (the job runs in the next period unless another one does).
    on_conflict: Option<String>,
    /// With `replace`: the fields among `args`, `run_at`, `priority`, `max_attempts`, `tags`,
    /// `metadata` that the existing job takes over, unless it is running or finished.
    replace: Option<Vec<String>>,
}

/// The existing job.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ExistingJob {
    /// True: no new job was stored.
    existing: bool,
    #[serde(flatten)]
    job: JobDocument,
}

/// Reads the unique rule under `field`.
///
/// # Errors
/// 422 with the invalid part.
pub(crate) fn read(field: &str, value: &Value) -> Result<Unique, Problem> {
    Unique::read(value).map_err(|error| {
        Problem::invalid(format!("{field}{}", error.field), error.detail).remedy(error.remedy)
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
