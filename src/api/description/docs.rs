//! The routes of the API description: `OpenAPI` 3.1 as JSON, and a page that shows it. Both are
//! fixed when the server starts; the page must never need more than the strict content security
//! policy allows.

use axum::Router;
use axum::body::Bytes;
use axum::extract::Path;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use utoipa::openapi::OpenApi;

use crate::api::description;
use crate::api::server::auth::access::Access;
use crate::api::server::base_path::led;
use crate::api::server::dashboard::script::compact;
use crate::api::server::problem::{Case, Problem, quoted};

const PAGE: &str = include_str!("../../../web/docs/index.html");
const STYLE: &str = include_str!("../../../web/docs/docs.css");
const SCRIPT: &str = include_str!("../../../web/docs/docs.js");

/// Where the routes begin, as seen from the description.
pub(crate) fn server(base: &str) -> &str {
    if base.is_empty() { "/" } else { base }
}

/// The routes of the description.
///
/// # Errors
/// If the description cannot be written as JSON.
pub fn routes(routes: &OpenApi, base: &str, access: &Access) -> Result<Router, serde_json::Error> {
    let text = Bytes::from(serde_json::to_vec(&description::finished(routes, server(base), access)?)?);
    let page = Bytes::from(led(PAGE, base));
    let json = move || async move { file("application/json", text) };
    Ok(Router::new()
        .route("/api/v1/openapi.json", get(json))
        .route("/docs", get(move || async move { file("text/html; charset=utf-8", page) }))
        .route("/docs/{file}", get(asset)))
}

async fn asset(Path(name): Path<String>) -> Response {
    match name.as_str() {
        "docs.css" => file("text/css; charset=utf-8", STYLE),
        "docs.js" => file("text/javascript; charset=utf-8", compact(SCRIPT)),
        "" => Redirect::permanent("../docs").into_response(),
        other => {
            Problem::new(Case::NotFound, format!("/docs has no file {}.", quoted(other))).into_response()
        }
    }
}

fn file(media_type: &'static str, content: impl IntoResponse) -> Response {
    ([(CONTENT_TYPE, media_type), (CACHE_CONTROL, "no-cache")], content).into_response()
}

#[cfg(test)]
#[path = "docs_tests.rs"]
mod tests;
