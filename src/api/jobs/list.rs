//! Lists jobs: GET /jobs, newest first, by filter and page. Must never count or skip rows: the
//! cursor is the key of the last row shown.

use axum::extract::State;
use axum::{Extension, Json};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;
use utoipa::IntoParams;
use uuid::Uuid;

use crate::api::page_response::Page;
use crate::api::server::auth::caller::Caller;
use crate::api::server::auth::token::Claims;
use crate::api::server::json::Params;
use crate::api::server::problem::{Problem, quoted};
use crate::api::server::validate;
use crate::api::state::ApiState;
use crate::job::document::JobDocument;
use crate::job::state::JobState;
use crate::store::jobs::list::{Filter, Listed, Search};

const DEFAULT_LIMIT: i64 = 50;
const MOST_ITEMS: i32 = 200;
const TEXT_CHARACTERS: usize = 255;
const SHORTEST_SEARCH: usize = 2;
const LONGEST_SEARCH: TimeDelta = TimeDelta::days(31);
const STORED_STATES: [JobState; 6] = [
    JobState::Waiting,
    JobState::Available,
    JobState::Running,
    JobState::Completed,
    JobState::Failed,
    JobState::Cancelled,
];

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListQuery {
    /// `waiting`, `available`, `running`, `completed`, `failed`, `cancelled`, or the displayed
    /// states `scheduled`, `retrying`.
    state: Option<String>,
    /// Only jobs of this queue.
    queue: Option<String>,
    /// Only jobs of this kind.
    kind: Option<String>,
    /// Only jobs with this tag.
    tag: Option<String>,
    /// Only this priority: 1 to 9, or its name.
    priority: Option<String>,
    /// Enqueued at this time or later: RFC 3339 with an offset.
    created_after: Option<String>,
    /// Enqueued before this time.
    created_before: Option<String>,
    /// Finished at this time or later.
    finished_after: Option<String>,
    /// Finished before this time.
    finished_before: Option<String>,
    /// Text in the message of the last error; case does not matter.
    error: Option<String>,
    /// Only jobs of this workflow, by its id.
    #[param(value_type = Option<Uuid>)]
    workflow: Option<String>,
    /// Only jobs of this owner.
    owner: Option<String>,
    /// A value in the args, the metadata or the error: text (`timeout`, case does not matter), or a
    /// member with its value (`customer.id=42`). Needs `created_after`, at most 31 days before
    /// `created_before` or now. Values that are redacted, encrypted, stored as files or in args of more
    /// than 32 kB are not found.
    search: Option<String>,
    /// The `next_cursor` of the previous page.
    cursor: Option<String>,
    /// The most jobs of a page: 1 to 200, by default 50.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
}

/// List jobs
///
/// Live and finished jobs, newest first. A job must match all filters. The search for one page is
/// bounded: with a filter that matches few jobs a page may have fewer jobs, or none, and a
/// `next_cursor` that continues the search.
#[utoipa::path(
    get, path = "/api/v1/jobs", tag = "jobs", params(ListQuery),
    responses((status = 200, description = "A page of jobs", body = Page<JobDocument>))
)]
pub(crate) async fn list(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    Params(query): Params<ListQuery>,
) -> Result<Json<Page<JobDocument>>, Problem> {
    let mut filter = query.into_filter()?;
    if let Some(token) = &caller.token {
        restrict(&mut filter, token);
    }
    let wanted = usize::try_from(filter.limit).unwrap_or_default();
    // One more than is shown, to know if there is another page.
    filter.limit += 1;
    let Listed { jobs: mut items, searched_to } = state.store.list_jobs(&filter).await?;
    let has_more = items.len() > wanted;
    items.truncate(wanted);
    let last = items.last().filter(|_| has_more);
    let next_cursor = last.map(|job| job.id).or(searched_to).map(write_cursor);
    Ok(Json(Page { items, next_cursor }))
}

impl ListQuery {
    fn into_filter(self) -> Result<Filter, Problem> {
        let (state, status) = self.state.as_deref().map_or(Ok((None, None)), states)?;
        let name = |field, text: Option<String>| text.map(|text| validate::name(field, text)).transpose();
        let text = |field, text: Option<String>| {
            text.map(|text| validate::text(field, text, TEXT_CHARACTERS)).transpose()
        };
        let created_after = time("created_after", self.created_after)?;
        let created_before = time("created_before", self.created_before)?;
        let search = text("search", self.search)?.map(|text| read_search(&text)).transpose()?;
        if search.is_some() {
            check_window(created_after, created_before)?;
        }
        Ok(Filter {
            state,
            status,
            unfinished: false,
            queue: name("queue", self.queue)?,
            kind: name("kind", self.kind)?,
            tag: self.tag.map(|tag| validate::tag("tag", tag)).transpose()?,
            priority: self.priority.map(|priority| read_priority(&priority)).transpose()?,
            created_after,
            created_before,
            search,
            finished_after: time("finished_after", self.finished_after)?,
            finished_before: time("finished_before", self.finished_before)?,
            error_contains: text("error", self.error)?,
            owner: text("owner", self.owner)?,
            kinds: None,
            id: None,
            workflow: self.workflow.map(|id| read_workflow(&id)).transpose()?,
            before: self.cursor.map(|cursor| read_cursor(&cursor)).transpose()?,
            limit: validate::within("limit", self.limit.unwrap_or(DEFAULT_LIMIT), 1, MOST_ITEMS)?.into(),
        })
    }
}

/// `customer.id=42` is a member with its value, everything else is text.
fn read_search(text: &str) -> Result<Search, Problem> {
    let is_name = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
    };
    if let Some((path, value)) = text.split_once('=')
        && path.split('.').all(is_name)
        && !value.is_empty()
    {
        return Ok(Search::Member(path.split('.').map(str::to_owned).collect(), value.to_owned()));
    }
    if text.chars().count() < SHORTEST_SEARCH {
        return Err(Problem::invalid("search", "It is shorter than two characters.")
            .remedy("Send more of the value."));
    }
    Ok(Search::Text(text.to_owned()))
}

/// A search reads the jobs of its window one by one.
fn check_window(after: Option<DateTime<Utc>>, before: Option<DateTime<Utc>>) -> Result<(), Problem> {
    let end = before.unwrap_or_else(Utc::now);
    if after.is_some_and(|after| end - after <= LONGEST_SEARCH) {
        return Ok(());
    }
    Err(Problem::invalid(
        "created_after",
        "A search without a beginning, or of more than 31 days, could read every job.",
    )
    .remedy("Send created_after, at most 31 days before created_before or now."))
}

/// Leaves only jobs that the token reaches.
fn restrict(filter: &mut Filter, token: &Claims) {
    filter.kinds.clone_from(&token.kinds);
    filter.id = token.job;
    if let Some(owner) = &token.owner {
        let given = filter.owner.replace(owner.clone());
        if given.is_some_and(|given| given != *owner) {
            filter.kinds = Some(Vec::new());
        }
    }
}

fn read_workflow(text: &str) -> Result<Uuid, Problem> {
    Uuid::try_parse(text).map_err(|_| {
        Problem::invalid("workflow", format!("{} is not an id.", quoted(text)))
            .remedy("Send the id of a workflow.")
    })
}

/// A state that is stored, or one that is shown.
///
/// # Errors
/// 422 for what is neither.
pub(crate) fn states(text: &str) -> Result<(Option<JobState>, Option<String>), Problem> {
    if matches!(text, "scheduled" | "retrying") {
        return Ok((None, Some(text.to_owned())));
    }
    let stored = STORED_STATES.into_iter().find(|state| state.word() == text);
    stored.map(|state| (Some(state), None)).ok_or_else(|| {
        let words: Vec<_> = STORED_STATES.iter().map(|state| state.word()).collect();
        Problem::invalid("state", format!("{} is not a state.", quoted(text)))
            .remedy(format!("Use {}, scheduled or retrying.", words.join(", ")))
    })
}

fn read_priority(text: &str) -> Result<i16, Problem> {
    let value = text.parse::<i64>().map_or_else(|_| text.into(), serde_json::Value::from);
    validate::priority("priority", &value)
}

fn time(field: &str, text: Option<String>) -> Result<Option<DateTime<Utc>>, Problem> {
    text.map(|text| validate::time(field, &text)).transpose()
}

/// The cursor of the next page in wire format.
pub(crate) fn write_cursor(last: Uuid) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(last)
}

/// The start of a page.
///
/// # Errors
/// 422 for an invalid cursor.
pub(crate) fn read_cursor(text: &str) -> Result<Uuid, Problem> {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).ok();
    bytes.and_then(|bytes| Uuid::from_slice(&bytes).ok()).ok_or_else(|| {
        Problem::invalid("cursor", format!("{} is not a cursor of this list.", quoted(text)))
            .remedy("Send the next_cursor of the previous page, unchanged, or start without one.")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_the_id_of_a_job() {
        let id = Uuid::now_v7();
        assert_eq!(read_cursor(&BASE64_URL_SAFE_NO_PAD.encode(id)).unwrap(), id);
        for bad in ["", "x", "AAAA", "ä", &id.to_string(), &"A".repeat(1000)] {
            assert!(read_cursor(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_search_is_for_text_or_for_a_member() {
        let member = |path: &[&str], value: &str| {
            Search::Member(path.iter().map(|part| (*part).to_owned()).collect(), value.into())
        };
        assert_eq!(read_search("customer.id=42").unwrap(), member(&["customer", "id"], "42"));
        assert_eq!(read_search("a=b=c").unwrap(), member(&["a"], "b=c"));
        for text in ["time out", "x =1", "=1", "a=", "a..b=1", "ü=1"] {
            assert_eq!(read_search(text).unwrap(), Search::Text(text.into()));
        }
        assert!(read_search("x").is_err());
        let hours = |hours| Some(Utc::now() - TimeDelta::hours(hours));
        assert!(check_window(hours(24), None).is_ok() && check_window(hours(9_000), hours(8_900)).is_ok());
        assert!(check_window(None, hours(1)).is_err() && check_window(hours(9_000), None).is_err());
    }

    #[test]
    fn states_are_stored_or_shown() {
        assert_eq!(states("failed").unwrap(), (Some(JobState::Failed), None));
        assert_eq!(states("retrying").unwrap(), (None, Some("retrying".into())));
        assert!(states("Failed").is_err() && states("").is_err());
        assert_eq!(read_priority("high").unwrap(), 3);
        assert_eq!(read_priority("9").unwrap(), 9);
        assert!(read_priority("0").is_err() && read_priority("").is_err());
    }
}
