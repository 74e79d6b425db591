//! Spawn: jobs that a running attempt enqueues, once per name however often the attempt is
//! repeated; and the outcomes of the jobs that it waits for. Every write is fenced by the attempt's
//! lease.

use serde_json::Value;
use uuid::Uuid;

use crate::job::state::JobState;
use crate::job::trace::TraceParent;
use crate::store::db::lossy_json::Given;
use crate::store::jobs::prepared::Child;
use crate::store::{Result, Store};

/// The outcome of a job.
///
/// # Examples
///
/// ```
/// use tidemill::{Context, JobError, JobState};
/// use uuid::Uuid;
///
/// async fn sum(context: Context, parts: &[Uuid]) -> Result<i64, JobError> {
///     let mut sum = 0;
///     for end in context.wait_for(parts).await? {
///         match (end.state, end.result) {
///             (JobState::Completed, Some(part)) => sum += part.as_i64().unwrap_or(0),
///             (state, _) => return Err(JobError::permanent(format!("{}: {}", end.job_id, state.word()))),
///         }
///     }
///     Ok(sum)
/// }
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Ended {
    /// The job.
    pub job_id: Uuid,
    /// completed, failed or cancelled.
    pub state: JobState,
    /// Its result.
    pub result: Option<Value>,
    /// Its last error.
    pub error: Option<Value>,
}

impl Ended {
    /// Whether it is no longer kept, so that its outcome is unknown.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.error.as_ref().is_some_and(|error| error["type"] == "gone")
    }
}

impl Store {
    /// The span of a running attempt; `None` if nobody traces its job.
    ///
    /// # Errors
    /// When the database fails.
    pub(crate) async fn span_of(
        &self,
        (job_id, lease_id): (Uuid, Uuid),
        is_exported: bool,
    ) -> Result<Option<TraceParent>> {
        let found =
            sqlx::query_scalar!("select metadata ->> 'traceparent' from jobs_live where id = $1", job_id);
        let parent = found.fetch_optional(self.pool()).await?.flatten();
        let parent = parent.as_deref().and_then(TraceParent::parse);
        Ok((parent.is_some() || is_exported).then(|| TraceParent::of_attempt(parent, job_id, lease_id)))
    }

    /// Enqueues a child of a running attempt; `None` if the lease is lost.
    ///
    /// # Errors
    /// When the database fails or refuses the job.
    pub async fn spawn_child(
        &self,
        (job_id, lease_id): (Uuid, Uuid),
        name: &str,
        child: &Child,
    ) -> Result<Option<Uuid>> {
        Ok(sqlx::query_scalar!(
            "select spawn_child($1, $2, $3, $4, $5)",
            job_id,
            lease_id,
            name,
            child.to_spec(),
            child.is_workflow()
        )
        .fetch_one(self.pool())
        .await?)
    }

    /// The outcomes of the finished ones among the jobs. A job that is no longer kept counts as cancelled,
    /// with an error of the type `gone`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn ends_of(&self, jobs: &[Uuid]) -> Result<Vec<Ended>> {
        let rows = sqlx::query!(
            r#"
            with kept as materialized (
              select id, state, result, error, finished_at
              from jobs
              where id = any($1)
            )
            select
              i.id as "job_id!",
              coalesce(k.state, 'cancelled') as "state!: JobState",
              k.result as "result: Given",
              case
                when k.id is null then jsonb_build_object('type', 'gone', 'permanent', true, 'message', 'it is kept no more')
                else k.error
              end as error
            from unnest($1::uuid[]) as i (id)
            left join kept k on k.id = i.id
            where k.id is null
              or k.finished_at is not null
            "#,
            jobs
        )
        .fetch_all(self.pool())
        .await?;
        let mut ended = Vec::with_capacity(rows.len());
        for row in rows {
            let result = match row.result {
                Some(result) => Some(self.open_value(result.read()?).await?),
                None => None,
            };
            ended.push(Ended { job_id: row.job_id, state: row.state, result, error: row.error });
        }
        Ok(ended)
    }
}
