//! List: pages of jobs, newest first, by filter and keyset. Each kind of list reads only the part
//! of the table that can hold its rows; none counts, and none searches for long: a page with few
//! matches says how far the search went.

use std::time::{Duration, Instant};

use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use uuid::Uuid;

use super::document::{DocumentRow, documents};
use crate::job::document::JobDocument;
use crate::job::state::JobState;
use crate::store::db::lossy_json::Readable;
use crate::store::{Result, Store};

/// The filter of a list.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Only this stored state.
    pub state: Option<JobState>,
    /// Only this displayed state, `scheduled` or `retrying`.
    pub status: Option<String>,
    /// Only unfinished jobs, searched in one statement, so that none is missed because it moves meanwhile.
    pub unfinished: bool,
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
    /// Only jobs of this owner.
    pub owner: Option<String>,
    /// Only this job.
    pub id: Option<Uuid>,
    /// Only jobs of these kinds.
    pub kinds: Option<Vec<String>>,
    /// Only jobs with this value in their args, metadata or error.
    pub search: Option<Search>,
    /// Only jobs with smaller ids: the last id of the previous page.
    pub before: Option<Uuid>,
    /// The most jobs.
    pub limit: i64,
}

/// A value to find in jobs. Values that redaction hides are not found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Search {
    /// A text anywhere in the args, the metadata or the error message; case does not matter.
    Text(String),
    /// A member of the args or the metadata that has this value, such as `customer.id` = `42`.
    Member(Vec<String>, String),
}

impl Search {
    fn text(&self) -> Option<String> {
        match self {
            Self::Text(text) => Some(text.to_lowercase()),
            Self::Member(..) => None,
        }
    }

    fn member(&self) -> (Option<&[String]>, Option<&str>) {
        match self {
            Self::Text(_) => (None, None),
            Self::Member(path, value) => (Some(path), Some(value)),
        }
    }
}

/// A page of one part of the table: the common filters after the part's own condition.
macro_rules! page {
    ($store:expr, $filter:expr, $window:expr, $part:literal) => {
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
              and ($15::uuid is null or id >= $15)
              and ($16::text is null or owner = $16)
              and ($18::uuid is null or id = $18)
              and ($17::text[] is null or kind = any($17))
              and ($19::text is null or has_text(args, $19) or has_text(metadata, $19)
                or position($19 in lower(error ->> 'message')) > 0)
              and ($20::text[] is null or has_member(args, $20, $21::text) or has_member(metadata, $20, $21::text))
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
            $window.before,
            $window.limit,
            $filter.workflow,
            $window.from,
            $filter.owner,
            $filter.kinds.as_deref(),
            $filter.id,
            $filter.search.as_ref().and_then(Search::text),
            $filter.search.as_ref().and_then(|search| search.member().0),
            $filter.search.as_ref().and_then(|search| search.member().1),
        )
        .fetch_all($store.pool())
        .await?
    };
}

/// The ids of a stretch of the list.
#[derive(Debug, Clone, Copy)]
struct Window {
    from: Option<Uuid>,
    before: Option<Uuid>,
    limit: i64,
}

/// A page, and how far the search went.
#[derive(Debug)]
pub struct Listed {
    /// The jobs.
    pub jobs: Vec<JobDocument>,
    /// The search ran out of time here: the next page continues before this id.
    pub searched_to: Option<Uuid>,
}

impl Store {
    /// One page of jobs, newest first. Reads longer and longer stretches of the list until the page is full
    /// or its time is used up.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn list_jobs(&self, filter: &Filter) -> Result<Listed> {
        let began = Instant::now();
        let oldest = filter.created_after.map(|time| first_id(time - SLACK));
        let newest = filter.created_before.map(|time| first_id(time + SLACK));
        let mut before = filter.before.into_iter().chain(newest).min();
        // Values are read for a search: shorter stretches keep to the time.
        let (mut rows, largest) = if filter.search.is_some() {
            (FIRST_SEARCHED, MOST_SEARCHED)
        } else {
            (FIRST_WINDOW, LARGEST_WINDOW)
        };
        let mut jobs = Vec::new();
        loop {
            let limit = filter.limit - i64::try_from(jobs.len()).unwrap_or(filter.limit);
            let floor = if filter.is_plain() { None } else { self.floor(filter, before, rows).await? };
            let last = floor.is_none_or(|floor| oldest.is_some_and(|oldest| floor <= oldest));
            jobs.extend(self.window(filter, Window { from: floor, before, limit }).await?);
            let full = i64::try_from(jobs.len()).is_ok_and(|found| found >= filter.limit);
            if full || last {
                return Ok(Listed { jobs, searched_to: None });
            }
            if began.elapsed() > TIMEOUT {
                return Ok(Listed { jobs, searched_to: floor });
            }
            before = floor;
            rows = (rows * 4).min(largest);
        }
    }

    async fn window(&self, filter: &Filter, window: Window) -> Result<Vec<JobDocument>> {
        let rows = match filter.state {
            Some(JobState::Running) => {
                page!(
                    self,
                    filter,
                    window,
                    "where finished_at is null and id in (select job_id from running)"
                )
            }
            // Its jobs are few among all; the planner would walk the whole list to find them.
            _ if filter.workflow.is_some() => {
                page!(
                    self,
                    filter,
                    window,
                    "where id = any(array(select m.parent_id from dependencies m where m.job_id = $14 and m.member))"
                )
            }
            _ if filter.id.is_some() => page!(self, filter, window, "where id = $18"),
            // Read by its own index, which has the order of the list.
            _ if filter.owner.is_some() => page!(self, filter, window, "where owner = $16"),
            _ if filter.is_of_history() => page!(self, filter, window, "where finished_at is not null"),
            None if filter.status.is_none() && !filter.unfinished => {
                page!(self, filter, window, "where true")
            }
            _ => page!(self, filter, window, "where finished_at is null"),
        };
        Ok(rows.into_iter().map(|row| self.shown(row.into())).collect())
    }

    /// The last id of a stretch of this number of rows; `None` if the part has fewer. Counts rows of whole
    /// days: with a time within one it would look for its end in all of it.
    async fn floor(&self, filter: &Filter, before: Option<Uuid>, rows: i64) -> Result<Option<Uuid>> {
        let floor = if filter.is_of_history() {
            sqlx::query_scalar!(
                r#"
                select id as "id!"
                from jobs
                where finished_at is not null
                  and ($1::uuid is null or id < $1)
                  and ($2::timestamptz is null or finished_at >= $2)
                  and ($3::timestamptz is null or finished_at < $3)
                order by id desc
                offset $4
                limit 1
                "#,
                before,
                filter.finished_after.and_then(start_of_day),
                filter.finished_before.and_then(|time| start_of_day(time.checked_add_signed(DAY)?)),
                rows
            )
            .fetch_optional(self.pool())
            .await?
        } else {
            let live = filter.state.is_some() || filter.status.is_some();
            sqlx::query_scalar!(
                r#"
                select id as "id!"
                from jobs
                where ($1::uuid is null or id < $1)
                  and (not $2 or finished_at is null)
                order by id desc
                offset $3
                limit 1
                "#,
                before,
                live,
                rows
            )
            .fetch_optional(self.pool())
            .await?
        };
        Ok(floor)
    }
}

impl Filter {
    /// True if every job of the part matches, or few can.
    fn is_plain(&self) -> bool {
        let Self { status, queue, kind, tag, priority, created_after, created_before, .. } = self;
        let Self { finished_after, finished_before, error_contains, workflow, state, owner, kinds, .. } =
            self;
        // Running jobs, and jobs of a workflow, are read by their ids; those of an owner by an index.
        if workflow.is_some()
            || owner.is_some()
            || self.id.is_some()
            || *state == Some(JobState::Running)
            || self.unfinished
        {
            return true;
        }
        state.is_none()
            && [status, queue, kind, tag, error_contains].into_iter().all(Option::is_none)
            && [created_after, created_before, finished_after, finished_before]
                .into_iter()
                .all(Option::is_none)
            && priority.is_none()
            && self.search.is_none()
            && kinds.is_none()
    }

    /// True if only finished jobs can match.
    fn is_of_history(&self) -> bool {
        self.state.is_some_and(JobState::is_final)
            || self.finished_after.is_some()
            || self.finished_before.is_some()
    }
}

/// Ids begin with the milliseconds of the clock that made them (RFC 9562, version 7), give or take [`SLACK`].
fn first_id(time: DateTime<Utc>) -> Uuid {
    let milliseconds = u128::try_from(time.timestamp_millis()).unwrap_or(0);
    Uuid::from_u128(milliseconds << 80)
}

/// The beginning of its day (UTC), which begins a partition of the history.
fn start_of_day(time: DateTime<Utc>) -> Option<DateTime<Utc>> {
    time.duration_trunc(DAY).ok()
}

const DAY: TimeDelta = TimeDelta::days(1);
/// How far the clocks of enqueuing processes may be off for a filter by time to find their jobs.
const SLACK: TimeDelta = TimeDelta::days(1);
/// The approximate time for the search of a page.
const TIMEOUT: Duration = Duration::from_millis(120);
const FIRST_WINDOW: i64 = 2_000;
const LARGEST_WINDOW: i64 = 32_000;
const FIRST_SEARCHED: i64 = 500;
const MOST_SEARCHED: i64 = 2_000;
