//! The changed jobs of one owner: GET /me/activity, for pages that show a user's background work on any
//! device. Must never show another owner's jobs to a token.

use axum::extract::State;
use axum::{Extension, Json};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::server::auth::caller::Caller;
use super::server::json::Params;
use super::server::problem::{Case, Problem, quoted};
use super::server::validate;
use super::state::ApiState;
use crate::job::document::JobDocument;
use crate::job::limits::KEY_CHARACTERS;
use crate::store::jobs::activity::ActivityPosition;

const DEFAULT_LIMIT: i64 = 50;
const MOST_ITEMS: i32 = 200;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ActivityQuery {
    /// Only what changed since then: the `cursor` of the call before, or a time (RFC 3339 with an offset). Without it, the
    /// newest changes of all.
    since: Option<String>,
    /// The owner of the jobs; required with a key. A token has its owner.
    owner: Option<String>,
    /// The most jobs: 1 to 200, by default 50.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
}

/// The jobs of an owner that changed.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Activity {
    /// The jobs as they are now, the one that changed last first.
    items: Vec<JobDocument>,
    /// What the next call sends as `since`.
    cursor: String,
    /// True if further jobs changed, earlier than the last item; `GET /api/v1/jobs?owner=…` lists all.
    more: bool,
}

/// List what changed of an owner's jobs
///
/// Enqueued, started, progressed, failed an attempt, finished, retried or cancelled: each job once, as it
/// is now, the newest change first. For a page that shows a user what goes on, also on a second device or
/// after a reload. A call with the `cursor` of the one before misses no change; a job that changed while
/// that one was answered may come once more. Only the newest 1,000 unfinished and 1,000 finished jobs of
/// an owner are searched.
#[utoipa::path(
    get, path = "/api/v1/me/activity", tag = "jobs", operation_id = "activity", params(ActivityQuery),
    responses(
        (status = 200, description = "The changes", body = Activity),
        (status = 403, description = "The token is for another owner"),
        (status = 422, description = "A parameter is invalid, or no owner is given"),
    )
)]
pub(crate) async fn list(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    Params(query): Params<ActivityQuery>,
) -> Result<Json<Activity>, Problem> {
    let owner = owner_of(&caller, query.owner)?;
    let since = query.since.as_deref().map(read_since).transpose()?;
    let limit = validate::within("limit", query.limit.unwrap_or(DEFAULT_LIMIT), 1, MOST_ITEMS)?;
    let kinds = caller.token.as_ref().and_then(|token| token.kinds.as_deref());
    let limit = usize::try_from(limit).unwrap_or_default();
    let found = state.store.activity(&owner, kinds, since, limit).await?;
    let cursor = write_cursor(found.position);
    Ok(Json(Activity { items: found.jobs, cursor, more: found.is_cut }))
}

/// The owner whose jobs are listed: the token's, or with a key the one that is named.
fn owner_of(caller: &Caller, named: Option<String>) -> Result<String, Problem> {
    let named = named.map(|owner| validate::text("owner", owner, KEY_CHARACTERS)).transpose()?;
    let of_token = caller.token.as_ref().map(|token| token.owner.clone());
    match (of_token, named) {
        (Some(Some(owner)), Some(named)) if owner != named => {
            Err(Problem::new(Case::Forbidden, "The token is for another owner.").field("owner"))
        }
        (Some(Some(owner)), _) | (None, Some(owner)) => Ok(owner),
        (Some(None), _) => Err(Problem::invalid("owner", "The token is not for the jobs of an owner.")
            .remedy("Ask for a token with an owner.")),
        (None, None) => Err(Problem::invalid("owner", "The request names no owner.")
            .remedy("Send owner=<id>, or a token that is for an owner.")),
    }
}

fn write_cursor(position: ActivityPosition) -> String {
    format!("{}-{}", position.at.timestamp_micros(), position.oldest_open.unwrap_or_default())
}

/// A cursor, or a time.
fn read_since(text: &str) -> Result<ActivityPosition, Problem> {
    let is_number = |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let cursor = text.split_once('-').filter(|(at, open)| is_number(at) && is_number(open));
    let Some((at, open)) = cursor else {
        let at = validate::time("since", text)?;
        return Ok(ActivityPosition { at, oldest_open: None });
    };
    let at = at.parse().ok().and_then(DateTime::<Utc>::from_timestamp_micros);
    // A time that no answer can have had would not be one for the database either.
    let at = at.filter(|at| *at < DateTime::<Utc>::from_timestamp(7_258_118_400, 0).unwrap_or_default());
    let invalid = || {
        Problem::invalid("since", format!("{} is not a cursor of this list.", quoted(text)))
            .remedy("Send the cursor of the last answer, unchanged, or a time.")
    };
    Ok(ActivityPosition {
        at: at.ok_or_else(invalid)?,
        oldest_open: Some(open.parse().map_err(|_| invalid())?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn since_is_a_cursor_or_a_time() {
        let position = ActivityPosition {
            at: DateTime::from_timestamp_micros(1_767_225_600_123_456).unwrap(),
            oldest_open: Some(77),
        };
        assert_eq!(write_cursor(position), "1767225600123456-77");
        assert_eq!(read_since("1767225600123456-77").unwrap(), position);
        let time = read_since("2026-01-01T00:00:00.123456Z").unwrap();
        assert_eq!(time, ActivityPosition { oldest_open: None, ..position });
        for bad in
            ["", "-", "1-", "-1", "1-x", "x-1", "1-99999999999999999999", "9999999999999999999-1", "2026"]
        {
            assert!(read_since(bad).is_err(), "{bad}");
        }
    }
}
