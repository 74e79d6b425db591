//! Routes of API keys: list, create, revoke. Must show a key once, when it is created, and never
//! again.

use axum::extract::{FromRequestParts, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::{Extension, Json};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::api::jobs::duration_input::DurationInput;
use crate::api::page_response::Page;
use crate::api::server::auth::api_key::{ApiKey, Scope};
use crate::api::server::auth::caller::Caller;
use crate::api::server::json::Body;
use crate::api::server::path_params::only_part;
use crate::api::server::problem::{Case, Problem};
use crate::api::server::validate;
use crate::api::state::ApiState;
use crate::job::document::{micros, micros_or_null};
use crate::store::keys::ApiKeyRow;

const NAME_CHARACTERS: usize = 100;
const ID_CHARACTERS: usize = 40;

/// The id of a key in a path.
#[derive(Debug, Clone)]
pub(crate) struct KeyId(String);

impl<S: Send + Sync> FromRequestParts<S> for KeyId {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        validate::text("id", only_part(parts, state, "id").await?, ID_CHARACTERS).map(Self)
    }
}

/// A key without its secret part.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct KeyDocument {
    /// The id, with which the key begins.
    id: String,
    /// Its name, by which the audit log knows what it does.
    name: String,
    /// Its scopes.
    #[schema(value_type = Vec<Scope>)]
    scopes: Vec<String>,
    /// False if it is revoked or expired.
    usable: bool,
    /// True for the key of this request.
    is_mine: bool,
    /// When it was created.
    #[serde(serialize_with = "micros")]
    created_at: DateTime<Utc>,
    /// From this time on it is refused; null: it does not expire.
    #[serde(serialize_with = "micros_or_null")]
    expires_at: Option<DateTime<Utc>>,
    /// When it was revoked.
    #[serde(serialize_with = "micros_or_null")]
    revoked_at: Option<DateTime<Utc>>,
    /// When it was last used, to the minute.
    #[serde(serialize_with = "micros_or_null")]
    last_used_at: Option<DateTime<Utc>>,
}

impl KeyDocument {
    fn of(key: ApiKeyRow, caller: &Caller) -> Self {
        Self {
            is_mine: caller.key_id.as_deref() == Some(&key.id),
            id: key.id,
            name: key.name,
            scopes: key.scopes,
            usable: key.usable,
            created_at: key.created_at,
            expires_at: key.expires_at,
            revoked_at: key.revoked_at,
            last_used_at: key.last_used_at,
        }
    }
}

/// A key to create.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"name": "grafana", "scopes": ["read"], "expires_in": "90d"}))]
pub(crate) struct KeyRequest {
    /// Its name, by which the audit log knows what it does.
    #[schema(max_length = 100)]
    name: String,
    /// Its scopes.
    #[schema(min_items = 1)]
    scopes: Vec<Scope>,
    /// How long it is valid; by default for ever.
    #[schema(value_type = Option<DurationInput>)]
    expires_in: Option<Value>,
}

/// A new key.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CreatedKey {
    /// The id, by which it is revoked.
    id: String,
    /// The whole key, shown this one time.
    key: String,
    /// Its name.
    name: String,
    /// Its scopes.
    scopes: Vec<Scope>,
}

/// List API keys
///
/// All keys, newest first, without their secret parts, which are not stored.
#[utoipa::path(get, path = "/api/v1/keys", tag = "access", operation_id = "list_keys",
    responses((status = 200, description = "All keys", body = Page<KeyDocument>)))]
pub(crate) async fn list(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<Page<KeyDocument>>, Problem> {
    let keys = state.store.api_keys().await?;
    Ok(Page::whole(keys.into_iter().map(|key| KeyDocument::of(key, &caller)).collect()))
}

/// Create an API key
///
/// The answer shows it, this one time. The first key shuts a server that runs without keys: from
/// then on every request needs one, so the first key has the scope admin.
#[utoipa::path(post, path = "/api/v1/keys", tag = "access", operation_id = "create_key", request_body = KeyRequest,
    responses((status = 201, description = "The key", body = CreatedKey)))]
pub(crate) async fn create(
    State(state): State<ApiState>,
    Body(request): Body<KeyRequest>,
) -> Result<(StatusCode, Json<CreatedKey>), Problem> {
    let KeyRequest { name, mut scopes, expires_in } = request;
    let name = validate::text("/name", name, NAME_CHARACTERS)?;
    scopes.sort_unstable_by_key(|scope| scope.name());
    scopes.dedup();
    if scopes.is_empty() {
        return Err(Problem::invalid("/scopes", "The key would have no scope.").remedy("Name a scope."));
    }
    // Asked from the database: a server that was open a moment ago may not know of the first key yet.
    if !scopes.contains(&Scope::Admin) && !state.store.any_api_key().await? {
        let problem = Problem::invalid("/scopes", "The first key has no scope admin.");
        return Err(
            problem.remedy("Once this key exists, every request needs a key: give it the scope admin.")
        );
    }
    let expires_in = expires_in
        .map(|value| validate::positive_duration("/expires_in", &value, validate::LONGEST_DURATION))
        .transpose()?
        .map(|duration| duration.as_secs_f64());
    let key = ApiKey::generate();
    let names: Vec<String> = scopes.iter().map(|scope| scope.name().to_owned()).collect();
    state.store.create_api_key(key.id(), &name, &names, &key.hash(), expires_in).await?;
    state.gate.shut();
    let made = CreatedKey { id: key.id().to_owned(), key: key.reveal().to_owned(), name, scopes };
    Ok((StatusCode::CREATED, Json(made)))
}

/// Revoke an API key
///
/// This server accepts it no more, nor a token that it made; within two seconds no other does.
#[utoipa::path(delete, path = "/api/v1/keys/{id}", tag = "access", operation_id = "revoke_key",
    params(("id" = String, Path, description = "The key's id")),
    responses((status = 204, description = "It is revoked")))]
pub(crate) async fn revoke(State(state): State<ApiState>, KeyId(id): KeyId) -> Result<StatusCode, Problem> {
    if state.store.revoke_api_key(&id).await? {
        state.gate.forget_key(&id);
        return Ok(StatusCode::NO_CONTENT);
    }
    Err(Problem::new(Case::NotFound, "No API key has this id."))
}
