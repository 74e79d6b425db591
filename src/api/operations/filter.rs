//! The filter of actions on many jobs: checked before it reaches the database. Must never let an empty
//! filter mean all jobs.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::api::jobs::list::states;
use crate::api::server::problem::Problem;
use crate::api::server::validate;

const TEXT_CHARACTERS: usize = 255;

/// The filter of jobs; a job must match every given field.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "it is only described; the database reads it")]
pub(crate) struct BulkFilter {
    /// The stored state, or `scheduled` or `retrying`.
    #[schema(required = false)]
    state: StateFilter,
    #[schema(required = false)]
    queue: String,
    #[schema(required = false)]
    kind: String,
    #[schema(required = false)]
    tag: String,
    /// 1 to 9, or its name, as text.
    #[schema(required = false)]
    priority: String,
    #[schema(required = false)]
    owner: String,
    #[schema(required = false)]
    created_after: DateTime<Utc>,
    #[schema(required = false)]
    created_before: DateTime<Utc>,
    #[schema(required = false)]
    finished_after: DateTime<Utc>,
    #[schema(required = false)]
    finished_before: DateTime<Utc>,
    /// Text in the message of the last error.
    #[schema(required = false)]
    error: String,
    /// A cause of GET /failures.
    #[schema(required = false)]
    fingerprint: String,
    /// A value in the args, the metadata or the error, as in GET /jobs; for operations, and only with
    /// `created_after`, at most 31 days before `created_before` or now.
    #[schema(required = false)]
    search: String,
    /// The id of a workflow.
    #[schema(required = false)]
    workflow: Uuid,
}

/// A state that is stored, or one that is shown.
#[derive(ToSchema)]
#[serde(rename_all = "lowercase")]
#[expect(dead_code, reason = "it is only described; `states` reads it")]
pub(crate) enum StateFilter {
    Waiting,
    Available,
    Running,
    Completed,
    Failed,
    Cancelled,
    Scheduled,
    Retrying,
}

/// The filter in the format of the database.
///
/// # Errors
/// 422 for a field that is not valid, and unless exactly one of `filter` and `all` is given.
pub(crate) fn checked_filter(filter: Option<Map<String, Value>>, all: bool) -> Result<Value, Problem> {
    let mut filter = filter.unwrap_or_default();
    if filter.is_empty() != all {
        let problem = Problem::invalid("/filter", "Exactly one of filter and all is needed.");
        return Err(
            problem.remedy("Send a filter, or \"all\": true to act on every job that the action applies to.")
        );
    }
    if let Some((name, _)) = filter.iter().find(|(_, value)| !value.is_string()) {
        return Err(Problem::invalid(format!("/filter/{name}"), "It is not text.").remedy("Send text."));
    }
    for (name, value) in &filter {
        let (field, text) = (format!("/filter/{name}"), value.as_str().unwrap_or_default());
        match name.as_str() {
            "created_after" | "created_before" | "finished_after" | "finished_before" => {
                validate::time(&field, text)?;
            }
            "kind" | "queue" => {
                validate::name(&field, text.to_owned())?;
            }
            "tag" => {
                validate::tag(&field, text.to_owned())?;
            }
            "priority" => {
                let number = text.parse::<i64>().map_or_else(|_| text.into(), Value::from);
                validate::priority(&field, &number)?;
            }
            "owner" | "search" => {
                validate::text(&field, text.to_owned(), TEXT_CHARACTERS)?;
            }
            "workflow" if Uuid::try_parse(text).is_err() => {
                return Err(Problem::invalid(field, "It is not an id.").remedy("Send the id of a workflow."));
            }
            "state" => {
                states(text).map_err(|problem| problem.field(&field))?;
            }
            // The database names the fields that it knows.
            _ => {}
        }
    }
    if all {
        filter.insert("all".into(), true.into());
    }
    Ok(Value::Object(filter))
}
