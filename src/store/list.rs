//! List: pages of jobs, newest first, by filter and keyset. Each kind of list reads only the part of
//! the table that can hold its rows; none counts.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::document::{DocumentRow, documents};
use super::{Result, Store};
use crate::job::document::JobDocument;
use crate::job::state::JobState;

/// Which jobs to list.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Only this stored state.
    pub state: Option<JobState>,
    /// Only this shown state, `scheduled` or `retrying`.
    pub status: Option<String>,
    pub queue: Option<String>,
    pub kind: Option<String>,
    pub tag: Option<String>,
    pub priority: Option<i16>,
    pub created_after: Option<DateTime<Utc>>,
    pub created_before: Option<DateTime<Utc>>,
    pub finished_after: Option<DateTime<Utc>>,
    pub finished_before: Option<DateTime<Utc>>,
    /// Text in the message of the last error.
    pub error_contains: Option<String>,
    /// Only the jobs of this workflow.
    pub workflow: Option<Uuid>,
    /// Only jobs with smaller ids: the last one of the page before.
    pub before: Option<Uuid>,
    /// At most so many.
    pub limit: i64,
}

/// A page of one part of the table: the common filters behind the part's own condition.
macro_rules! page {
    ($store:expr, $filter:expr, $part:literal) => {
        documents!(
            $part
                + r#"
              and ($1::job_state is null or state = $1)
              and ($2::text is null or status = $2)
              and ($3::text is null or queue = $3)
              and ($4::text is null or kind = $4)
              and ($5::text is null or tags @> array[$5])
              and ($6::smallint is null or priority = $6)
              and ($7::timestamptz is null or created_at >= $7)
              and ($8::timestamptz is null or created_at < $8)
              and ($9::timestamptz is null or finished_at >= $9)
              and ($10::timestamptz is null or finished_at < $10)
              and ($11::text is null or position(lower($11) in lower(error ->> 'message')) > 0)
              and ($12::uuid is null or id < $12)
              and ($14::uuid is null or id in (select d.parent_id from dependencies d where d.job_id = $14 and d.member))
            order by id desc
            limit $13
            "#,
            $filter.state as Option<JobState>,
            $filter.status,
            $filter.queue,
            $filter.kind,
            $filter.tag,
            $filter.priority,
            $filter.created_after,
            $filter.created_before,
            $filter.finished_after,
            $filter.finished_before,
            $filter.error_contains,
            $filter.before,
            $filter.limit,
            $filter.workflow,
        )
        .fetch_all($store.pool())
        .await?
    };
}

impl Store {
    /// One page of jobs, newest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn list_jobs(&self, filter: &Filter) -> Result<Vec<JobDocument>> {
        let finished = filter.state.is_some_and(JobState::is_final)
            || filter.finished_after.is_some()
            || filter.finished_before.is_some();
        let rows = match filter.state {
            Some(JobState::Running) => {
                page!(self, filter, "where finished_at is null and id in (select job_id from running)")
            }
            _ if finished => page!(self, filter, "where finished_at is not null"),
            None if filter.status.is_none() => page!(self, filter, "where true"),
            _ => page!(self, filter, "where finished_at is null"),
        };
        Ok(rows.into_iter().map(Into::into).collect())
    }
}
