//! Completes the description of the API: everything that holds for every route is written here,
//! once, from the tables that are enforced. Must never contradict a route's own attributes.

mod access;
mod answers;
pub mod docs;
mod document;
mod inputs;
mod names;
mod parameters;
mod schemas;

use serde_json::{Value, json};
use utoipa::openapi::OpenApi;

use self::document::operations;
use crate::api::server::auth::access::Access;

pub(super) use answers::bounded_in_time;

/// The whole description, of a server that is reached at `server` and opens its routes by `rules`.
///
/// # Errors
/// If the routes' own description cannot be written as JSON.
pub fn finished(routes: &OpenApi, server: &str, rules: &Access) -> Result<Value, serde_json::Error> {
    let mut document = serde_json::to_value(routes)?;
    document["servers"] =
        json!([{ "url": server, "description": "The server that serves this description." }]);
    schemas::open(&mut document);
    for operation in operations(&mut document) {
        names::name(operation.members);
        parameters::refine(operation.path, operation.members);
        access::secure(rules, &operation.method, operation.path, operation.members);
        answers::complete(rules, &operation.method, operation.path, operation.members);
    }
    parameters::share(&mut document);
    inputs::share(&mut document);
    access::share(&mut document);
    answers::share(&mut document);
    Ok(document)
}
