//! Makes tokens for browsers: POST /tokens, for the holder of a key. Must never give a token more than
//! its key has.

use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::api::jobs::duration_input::DurationInput;
use crate::api::server::auth::caller::Caller;
use crate::api::server::auth::token::{SentToken, TokenScope};
use crate::api::server::json::{RawBody, parse};
use crate::api::server::problem::{Case, Problem};
use crate::api::server::validate;
use crate::api::state::ApiState;
use crate::job::document::micros;
use crate::job::limits::KEY_CHARACTERS;
use crate::store::tokens::NewToken;

const LONGEST: Duration = Duration::from_hours(24);
const DEFAULT: Duration = Duration::from_mins(15);
const MOST_KINDS: usize = 50;

/// A token to make: for one `job`, or for the jobs of an `owner`, of `kinds`, or of both.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"scopes": ["read", "cancel"], "owner": "user-42", "expires_in": "15m"}))]
pub(crate) struct TokenRequest {
    /// What it may do. A key with `read` gives `read`; one with `enqueue` or `admin` gives all.
    #[schema(min_items = 1)]
    scopes: Vec<TokenScope>,
    /// Only this job.
    job: Option<Uuid>,
    /// Only jobs of this owner; jobs that it enqueues get this owner.
    #[schema(min_length = 1, max_length = 255)]
    owner: Option<String>,
    /// Only jobs of these kinds.
    #[schema(min_items = 1, max_items = 50)]
    kinds: Option<Vec<String>>,
    /// How long it is valid: 1 second to 24 hours, by default 15 minutes.
    #[schema(value_type = Option<DurationInput>)]
    expires_in: Option<Value>,
}

/// A new token.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CreatedToken {
    /// The token, sent as `Authorization: Bearer …` like a key.
    token: String,
    /// From this time on it is refused.
    #[serde(serialize_with = "micros")]
    expires_at: DateTime<Utc>,
}

/// Make a token
///
/// For a browser, so that no API key is ever in one. The token reaches only its jobs; every other job
/// is answered as one that does not exist. It ends with its time, or when its key is revoked.
#[utoipa::path(
    post, path = "/api/v1/tokens", tag = "tokens", operation_id = "create_token", request_body = TokenRequest,
    responses(
        (status = 201, description = "The token", body = CreatedToken),
        (status = 403, description = "The key has fewer scopes than the token, or the server runs without keys"),
    )
)]
pub(crate) async fn create(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    RawBody(body): RawBody,
) -> Result<(StatusCode, Json<CreatedToken>), Problem> {
    let token = parse::<TokenRequest>(&body)?.checked()?;
    let Some(key_id) = &caller.key_id else {
        let problem =
            Problem::new(Case::Forbidden, "The server runs without keys, and a token belongs to a key.");
        return Err(problem.remedy("Create a key with: tidemill keys create."));
    };
    let is_read_only = token.scopes.iter().all(|scope| scope == TokenScope::Read.name());
    if !caller.may_enqueue && !is_read_only {
        let detail = "The key has the scope read only, and so has every token of it.";
        return Err(Problem::new(Case::Forbidden, detail).field("/scopes"));
    }
    let token = state.store.create_token(key_id, &token).await?;
    let expires = SentToken::parse(&token).and_then(|sent| DateTime::from_timestamp(sent.expires(), 0));
    let expires_at = expires.ok_or_else(|| Problem::internal(&"a new token cannot be read"))?;
    Ok((StatusCode::CREATED, Json(CreatedToken { token, expires_at })))
}

impl TokenRequest {
    fn checked(self) -> Result<NewToken, Problem> {
        let scopes: Vec<String> = self.scopes.iter().map(|scope| scope.name().to_owned()).collect();
        if scopes.is_empty() {
            return Err(Problem::invalid("/scopes", "The token would have no scope.").remedy("Name a scope."));
        }
        let is_of_one = self.job.is_some();
        if is_of_one == (self.owner.is_some() || self.kinds.is_some()) {
            let problem =
                Problem::invalid("/job", "The token is neither for one job nor for an owner or kinds.");
            return Err(problem.remedy("Send job, or else owner, kinds or both."));
        }
        if is_of_one && self.scopes.contains(&TokenScope::Enqueue) {
            let problem = Problem::invalid("/scopes", "A token for one job cannot enqueue others.");
            return Err(problem.remedy("Leave out enqueue, or send owner or kinds instead of job."));
        }
        let kinds = self.kinds.map(checked_kinds).transpose()?;
        let read = |value| validate::positive_duration("/expires_in", &value, LONGEST);
        let expires_in = self.expires_in.map_or(Ok(DEFAULT), read)?;
        Ok(NewToken {
            scopes,
            job: self.job,
            owner: self.owner.map(|owner| validate::text("/owner", owner, KEY_CHARACTERS)).transpose()?,
            kinds,
            expires_in_seconds: expires_in.as_secs_f64().max(1.0),
        })
    }
}

fn checked_kinds(kinds: Vec<String>) -> Result<Vec<String>, Problem> {
    if !(1..=MOST_KINDS).contains(&kinds.len()) {
        let problem = Problem::invalid("/kinds", format!("The token names {} kinds.", kinds.len()));
        return Err(problem.remedy(format!("Name 1 to {MOST_KINDS}.")));
    }
    let kinds = kinds.into_iter().enumerate();
    kinds.map(|(index, kind)| validate::name(&format!("/kinds/{index}"), kind)).collect()
}
