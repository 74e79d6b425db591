//! Keeps a token in a cookie where `api.token_cookie` names one: sets and removes the cookie, and answers the
//! value that belongs to it. Must never store anything but a token.

use axum::Json;
use axum::extract::State;
use axum::http::header::SET_COOKIE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{AppendHeaders, IntoResponse};
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::server::auth::cookie::{CookieRule, csrf_of};
use crate::api::server::auth::credentials::token_of;
use crate::api::server::auth::token::SentToken;
use crate::api::server::problem::{Case, Problem};
use crate::api::state::ApiState;
use crate::job::document::micros;

/// The value that goes with a token in a cookie.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CsrfToken {
    /// Sent as `X-CSRF-Token` with each request that changes something.
    csrf_token: String,
    /// When the token ends, and its cookie.
    #[serde(serialize_with = "micros")]
    expires_at: DateTime<Utc>,
}

/// Keep a token in a cookie
///
/// The token that the request comes with, in a cookie that no script can read, until the token ends. Only
/// where `api.token_cookie` is set.
#[utoipa::path(
    post, path = "/api/v1/tokens/cookie", tag = "tokens", operation_id = "set_token_cookie",
    responses(
        (status = 200, description = "Set-Cookie, and the value that goes with it", body = CsrfToken),
        (status = 404, description = "The server accepts no cookies"),
        (status = 422, description = "The request comes with no token"),
    )
)]
pub(crate) async fn set(
    State(state): State<ApiState>,
    headers: HeaderMap,
) -> Result<impl IntoResponse, Problem> {
    let rule = rule_of(&state)?;
    let (token, answer) = shown(&headers, rule)?;
    let cookie = rule.set(&token, (answer.expires_at - Utc::now()).num_seconds().max(0));
    Ok((AppendHeaders([(SET_COOKIE, cookie)]), Json(answer)))
}

/// Remove the cookie
#[utoipa::path(
    delete, path = "/api/v1/tokens/cookie", tag = "tokens", operation_id = "remove_token_cookie",
    responses(
        (status = 204, description = "Set-Cookie with an empty cookie"),
        (status = 404, description = "The server accepts no cookies"),
    )
)]
pub(crate) async fn remove(State(state): State<ApiState>) -> Result<impl IntoResponse, Problem> {
    let cookie = rule_of(&state)?.set("", 0);
    Ok((StatusCode::NO_CONTENT, AppendHeaders([(SET_COOKIE, cookie)])))
}

/// Read the value that goes with the cookie
///
/// A page sends it with each request that changes something, as `X-CSRF-Token`. It is the same for as long
/// as the token is.
#[utoipa::path(
    get, path = "/api/v1/tokens/csrf", tag = "tokens", operation_id = "csrf_token",
    responses(
        (status = 200, description = "The value", body = CsrfToken),
        (status = 404, description = "The server accepts no cookies"),
        (status = 422, description = "The request comes with no token"),
    )
)]
pub(crate) async fn csrf(
    State(state): State<ApiState>,
    headers: HeaderMap,
) -> Result<Json<CsrfToken>, Problem> {
    Ok(Json(shown(&headers, rule_of(&state)?)?.1))
}

fn rule_of(state: &ApiState) -> Result<&CookieRule, Problem> {
    state.gate.cookie().ok_or_else(|| {
        Problem::new(Case::NotFound, "The server accepts no token in a cookie.")
            .remedy("Set api.token_cookie, or send the token as Authorization: Bearer ….")
    })
}

/// The token of the request, and its description in the answer.
fn shown(headers: &HeaderMap, rule: &CookieRule) -> Result<(String, CsrfToken), Problem> {
    let token = token_of(headers, rule)?;
    let expires = token.as_deref().and_then(SentToken::parse).map(|sent| sent.expires());
    let expires_at = expires.and_then(|expires| DateTime::from_timestamp(expires, 0));
    let (Some(token), Some(expires_at)) = (token, expires_at) else {
        let problem = Problem::new(Case::InvalidRequest, "The request comes with no token.");
        return Err(problem.remedy("Send a token as Authorization: Bearer …, not a key."));
    };
    let csrf_token = csrf_of(&token);
    Ok((token, CsrfToken { csrf_token, expires_at }))
}
