//! Signing in and out, for the dashboard: a key is exchanged for a session in a cookie that no script can
//! read. Must never answer the session itself.

use axum::extract::State;
use axum::http::header::{ORIGIN, SET_COOKIE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{AppendHeaders, IntoResponse};
use axum::{Extension, Json};
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::server::auth::caller::Caller;
use crate::api::server::auth::session::Session;
use crate::api::server::problem::{Case, Problem};
use crate::api::state::ApiState;
use crate::job::document::micros;

/// A session, without what opens it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SignInDocument {
    /// Sent as `X-CSRF-Token` with each request that changes something.
    csrf_token: String,
    /// When the session ends unless one signs out: 12 hours after it began, or with its key.
    #[serde(serialize_with = "micros")]
    expires_at: DateTime<Utc>,
}

impl SignInDocument {
    pub(super) fn of(session: Session) -> Self {
        Self { csrf_token: session.csrf_token, expires_at: session.expires_at }
    }
}

/// Sign in
///
/// For the dashboard: keeps the rights of the key that the request comes with in a cookie that no script can
/// read (`HttpOnly`, `SameSite=Strict`), for 12 hours or until one signs out, or the key ends or is revoked.
#[utoipa::path(post, path = "/api/v1/session", tag = "access", operation_id = "sign_in",
    responses(
        (status = 200, description = "Set-Cookie, and the value that goes with it", body = SignInDocument),
        (status = 422, description = "The request comes with no API key"),
    ))]
pub(crate) async fn start(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
) -> Result<impl IntoResponse, Problem> {
    let Some((text, session)) = state.gate.sign_in(&caller).await? else {
        let problem = Problem::new(Case::InvalidRequest, "The request comes with no API key.");
        return Err(problem.remedy("Send one as Authorization: Bearer …; a server without keys needs none."));
    };
    let seconds = (session.expires_at - Utc::now()).num_seconds().max(0);
    let cookie = state.gate.session_cookie().set_for(&text, seconds, is_secure(&headers));
    Ok((AppendHeaders([(SET_COOKIE, cookie)]), Json(SignInDocument::of(session))))
}

/// Sign out
///
/// Ends the session and removes its cookie. What was copied from the cookie opens nothing more, on other
/// servers of the database within two seconds.
#[utoipa::path(delete, path = "/api/v1/session", tag = "access", operation_id = "sign_out",
    responses(
        (status = 204, description = "Set-Cookie with an empty cookie"),
        (status = 503, description = "The database does not answer; the session goes on"),
    ))]
pub(crate) async fn end(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
) -> Result<impl IntoResponse, Problem> {
    state.gate.sign_out(&caller).await?;
    let cookie = state.gate.session_cookie().set_for("", 0, is_secure(&headers));
    Ok((StatusCode::NO_CONTENT, AppendHeaders([(SET_COOKIE, cookie)])))
}

/// Whether the page came over HTTPS. Over plain HTTP browsers would not keep a secure cookie.
fn is_secure(headers: &HeaderMap) -> bool {
    !headers.get(ORIGIN).is_some_and(|origin| origin.as_bytes().starts_with(b"http://"))
}
