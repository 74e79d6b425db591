//! Completes the description of the API: everything that holds for every route is written here,
//! once, from the tables that are enforced. Must never contradict a route's own attributes.

mod access;
mod answers;
pub mod docs;
mod inputs;
mod names;
mod parameters;
mod schemas;

use serde_json::{Map, Value, json};
use utoipa::openapi::OpenApi;

use crate::api::server::access::Access;

pub(super) use answers::bounded_in_time;

/// The members of a path item that are operations.
const METHODS: [&str; 5] = ["get", "post", "patch", "put", "delete"];

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

/// One operation of the description.
struct Operation<'a> {
    method: String,
    path: &'a str,
    members: &'a mut Map<String, Value>,
}

/// All operations, in the order of their paths.
fn operations(document: &mut Value) -> impl Iterator<Item = Operation<'_>> {
    let paths = document.get_mut("paths").and_then(Value::as_object_mut).into_iter().flatten();
    paths.flat_map(|(path, item)| {
        let members = item.as_object_mut().into_iter().flatten();
        members.filter_map(move |(method, operation)| {
            let is_operation = METHODS.contains(&method.as_str());
            let members = operation.as_object_mut().filter(|_| is_operation)?;
            Some(Operation { method: method.to_ascii_uppercase(), path, members })
        })
    })
}

/// The part of `components` of that name.
fn components<'a>(document: &'a mut Value, part: &str) -> Option<&'a mut Map<String, Value>> {
    let components = document.as_object_mut()?.entry("components").or_insert_with(|| json!({}));
    components.as_object_mut()?.entry(part).or_insert_with(|| json!({})).as_object_mut()
}
