//! The caller's own rights: GET /me, so that a page knows which actions to offer. Must never grant rights.

use axum::{Extension, Json};
use serde::Serialize;
use utoipa::ToSchema;

use super::session::SignInDocument;
use crate::api::server::auth::api_key::Scope;
use crate::api::server::auth::caller::Caller;

/// What a caller may do, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Role {
    /// Reads only.
    Viewer,
    /// Enqueues, cancels, retries and changes single jobs as well.
    Operator,
    /// Does everything.
    Admin,
}

/// The caller.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Me {
    /// The name of the key, or `anonymous` where the server runs without keys.
    name: String,
    /// The scopes of the key.
    scopes: Vec<Scope>,
    /// `admin` with the scope admin, `operator` with enqueue, else `viewer`.
    role: Role,
    /// True if the server asks for keys.
    has_key: bool,
    /// The session in which the caller is; null with a key.
    session: Option<SignInDocument>,
}

/// Read one's own rights
///
/// The scopes of the key that the request carries, and the role that they amount to.
#[utoipa::path(get, path = "/api/v1/me", tag = "access", operation_id = "me",
    responses((status = 200, description = "The caller", body = Me)))]
pub(crate) async fn show(Extension(caller): Extension<Caller>) -> Json<Me> {
    let role = match (caller.is_admin, caller.may_enqueue) {
        (true, _) => Role::Admin,
        (_, true) => Role::Operator,
        _ => Role::Viewer,
    };
    Json(Me {
        has_key: caller.key_id.is_some(),
        name: caller.name,
        scopes: caller.scopes,
        role,
        session: caller.session.map(SignInDocument::of),
    })
}
