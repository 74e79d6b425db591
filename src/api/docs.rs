//! The description of the API: `OpenAPI` 3.1 as JSON, and a page to read it. Both are fixed when the
//! server starts; the page must never need more than the strict content policy allows.

use axum::Router;
use axum::body::Bytes;
use axum::extract::Path;
use axum::http::Method;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{Components, OpenApi};

use super::access::{Verdict, verdict};
use super::base_path::led;
use super::problem::{Case, Problem, quoted};

const PAGE: &str = include_str!("../../web/docs/index.html");
const STYLE: &str = include_str!("../../web/docs/docs.css");
const SCRIPT: &str = include_str!("../../web/docs/docs.js");
const SCHEME: &str = "api_key";

/// The routes of the description.
///
/// # Errors
/// If the description cannot be written as JSON.
pub fn routes(mut description: OpenApi, base: &str) -> Result<Router, serde_json::Error> {
    tell_access(&mut description);
    let text = Bytes::from(serde_json::to_vec(&description)?);
    let page = Bytes::from(led(PAGE, base));
    let json = move || async move { file("application/json", text) };
    Ok(Router::new()
        .route("/api/v1/openapi.json", get(json))
        .route("/docs", get(move || async move { file("text/html; charset=utf-8", page) }))
        .route("/docs/{file}", get(asset)))
}

/// Writes into the description which scope each operation needs, from the table that is enforced.
fn tell_access(description: &mut OpenApi) {
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("tm_<id>_<secret>")
        .description(Some("Needed as soon as a key was made with 'tidemill keys create'."))
        .build();
    let components = description.components.get_or_insert_with(Components::new);
    components.add_security_scheme(SCHEME, SecurityScheme::Http(bearer));
    for (path, item) in &mut description.paths.paths {
        for (method, operation) in operations(item) {
            let Verdict::Needs(scopes) = verdict(&method, path) else { continue };
            let requirement = |scope: &super::key::Scope| SecurityRequirement::new(SCHEME, [scope.name()]);
            operation.security = (!scopes.is_empty()).then(|| scopes.iter().map(requirement).collect());
        }
    }
}

/// The operations of a path with their methods.
pub fn operations(item: &mut PathItem) -> impl Iterator<Item = (Method, &mut Operation)> {
    let all = [
        (Method::GET, &mut item.get),
        (Method::POST, &mut item.post),
        (Method::PATCH, &mut item.patch),
        (Method::PUT, &mut item.put),
        (Method::DELETE, &mut item.delete),
    ];
    all.into_iter().filter_map(|(method, operation)| operation.as_mut().map(|operation| (method, operation)))
}

async fn asset(Path(name): Path<String>) -> Response {
    match name.as_str() {
        "docs.css" => file("text/css; charset=utf-8", STYLE),
        "docs.js" => file("text/javascript; charset=utf-8", SCRIPT),
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
