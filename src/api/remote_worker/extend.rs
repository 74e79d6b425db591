//! More time for a remote worker's attempt. Only the holder of the lease is accepted. With an
//! Idempotency-Key a repeated request does not extend twice.

use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::super::state::ApiState;
use super::responses::lease_lost;
use crate::api::jobs::duration_input::DurationInput;
use crate::api::jobs::job_id::JobId;
use crate::api::page_response::Repeatable;
use crate::api::server::auth::caller::Caller;
use crate::api::server::idempotency::{Begun, Keyed};
use crate::api::server::json::{RawBody, parse_storable};
use crate::api::server::problem::Problem;
use crate::api::server::validate;
use crate::job::document::micros;
use crate::store::attempts::extend::extend_in;

/// More time for an attempt.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExtendRequest {
    /// The lease that the claim returned.
    lease_id: Uuid,
    /// The time by which its timeouts move, at most a year.
    #[schema(value_type = DurationInput)]
    by: Value,
}

/// The new deadline of an attempt.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Extended {
    /// Always `running`.
    state: String,
    /// The time from which the job is taken back even if its lease is renewed.
    #[serde(serialize_with = "micros")]
    deadline_at: DateTime<Utc>,
}

/// Extend an attempt
///
/// Moves its soft and hard timeouts by the given time.
#[utoipa::path(
    post, path = "/api/v1/worker/jobs/{id}/extend", tag = "remote workers", request_body = ExtendRequest,
    params(
        ("Idempotency-Key" = Option<String>, Header, description = "1 to 255 printable characters, new for each extension"),
    ),
    responses(
        (status = 200, description = "The attempt has more time", body = Extended),
        (status = 409, description = "The lease is lost"),
    )
)]
pub(crate) async fn extend(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    JobId(job_id): JobId,
    headers: HeaderMap,
    RawBody(body): RawBody,
) -> Result<Repeatable, Problem> {
    let request: ExtendRequest = parse_storable(&body)?;
    let by = validate::positive_duration("/by", &request.by, validate::LONGEST_EXTENSION)?;
    let answer = |deadline: Option<DateTime<Utc>>| {
        let deadline_at = deadline.ok_or_else(|| lease_lost(job_id, request.lease_id))?;
        serde_json::to_value(Extended { state: "running".into(), deadline_at })
            .map_err(|error| Problem::internal(&error))
    };
    let keyed = Keyed::of(&headers, &caller, &format!("POST /worker/jobs/{job_id}/extend"), &body)?;
    let begun = match keyed {
        Some(keyed) => Some(keyed.begin(&state.store).await?),
        None => None,
    };
    let (body, replayed) = match begun {
        None => (answer(state.store.extend(job_id, request.lease_id, by).await?)?, false),
        Some(Begun::Replay(body)) => (body, true),
        Some(Begun::Work(mut work)) => {
            let body = answer(extend_in(work.connection(), job_id, request.lease_id, by).await?)?;
            work.answer(&body).await?;
            (body, false)
        }
    };
    state.notifier.events([(job_id, 0)]);
    Ok(Repeatable { status: StatusCode::OK, body, replayed })
}
