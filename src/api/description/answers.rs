//! Describes the refusals and failures of each operation that arise before and around the routes:
//! in the guard, authentication, the readers of bodies and parameters, and the timeout. Each is a
//! problem document. Must name no status that cannot occur.

use serde_json::{Map, Value, json};
use utoipa::openapi::path::PathItem;
use utoipa::openapi::{OpenApi, ResponseBuilder};

use super::access::scopes;
use super::document::components;
use crate::api::server::auth::access::Access;
use crate::api::server::problem::{Case, TYPE_BASE};

const PROBLEM: &str = "application/problem+json";

/// The statuses that several operations share: the name of the answer, and what it says.
const SHARED: &[(u16, &str, &str)] = &[
    (400, "BadRequest", "The request cannot be understood: broken JSON, no single Host, a key in the query."),
    (401, "Unauthorized", "There is no valid API key in the request."),
    (403, "Forbidden", "The key lacks the scope, or a page of another origin calls."),
    (404, "NotFound", "Nothing has the name or id in the path."),
    (408, "BodyTimeout", "The body did not arrive in time."),
    (409, "Conflict", "The current state does not allow this request."),
    (413, "TooLarge", "The body, or a part of it, is too large."),
    (415, "UnsupportedMediaType", "The body is not sent as JSON."),
    (421, "MisdirectedHost", "The server does not answer for that host."),
    (422, "InvalidRequest", "A value is not acceptable; `field` names it."),
    (429, "TooManyRequests", "Too many requests, or a full queue; repeat the request after `Retry-After`."),
    (500, "Internal", "The server failed; its log has the cause under `reference`."),
    (503, "Unavailable", "The server cannot do this now; repeat the request after `Retry-After`."),
    (504, "Timeout", "The answer took too long."),
];

/// Verbs that name what need not be there: they make it, or act on a name.
const NEEDS_NO_TARGET: &[(&str, &str)] = &[
    ("PATCH", "/api/v1/queues/{queue}"),
    ("POST", "/api/v1/queues/{queue}/pause"),
    ("POST", "/api/v1/queues/{queue}/resume"),
    ("POST", "/api/v1/queues/{queue}/drain"),
    ("POST", "/api/v1/queues/{queue}/purge"),
];

/// Adds the answer of routes whose time is bounded; said before they are merged with those that stream or wait.
pub(in crate::api) fn bounded_in_time(description: &mut OpenApi) {
    let late = || ResponseBuilder::new().description("").build();
    for PathItem { get, post, patch, put, delete, .. } in description.paths.paths.values_mut() {
        for operation in [get, post, patch, put, delete].into_iter().flatten() {
            operation.responses.responses.insert("504".to_owned(), late().into());
        }
    }
}

/// Adds what can come besides the operation's own answers, and gives every refusal the form of a problem.
pub(super) fn complete(access: &Access, method: &str, path: &str, operation: &mut Map<String, Value>) {
    let statuses = statuses(access, method, path, operation);
    let Some(answers) = operation.entry("responses").or_insert_with(|| json!({})).as_object_mut() else {
        return;
    };
    for status in statuses {
        answers.entry(status.to_string()).or_insert_with(|| json!({ "description": "" }));
    }
    for (status, answer) in answers.iter_mut() {
        let status: u16 = status.parse().unwrap_or_default();
        let description = answer["description"].as_str().unwrap_or_default();
        if let Some((_, name, _)) = shared(status).filter(|_| description.is_empty()) {
            *answer = json!({ "$ref": format!("#/components/responses/{name}") });
        } else if status >= 400 {
            answer["content"] = problem();
            add_headers(status, answer);
        }
    }
}

fn statuses(access: &Access, method: &str, path: &str, operation: &Map<String, Value>) -> Vec<u16> {
    let parameters = operation.get("parameters").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let has_body = operation.contains_key("requestBody");
    let is_keyed =
        parameters.iter().any(|parameter| parameter["$ref"] == "#/components/parameters/IdempotencyKey");
    let makes = method == "PUT" || NEEDS_NO_TARGET.contains(&(method, path));
    let mut statuses = vec![400, 421, 500];
    let mut add = |holds: bool, more: &[u16]| statuses.extend(more.iter().copied().filter(|_| holds));
    // The gate asks the database for the key, and slows down callers that ask too often.
    add(!scopes(access, method, path).is_empty(), &[401, 403, 429, 503]);
    add(path.contains('{') && !makes, &[404]);
    add(has_body, &[408, 413, 415, 422]);
    add(!parameters.is_empty(), &[422]);
    add(is_keyed, &[409]);
    statuses
}

fn shared(status: u16) -> Option<&'static (u16, &'static str, &'static str)> {
    SHARED.iter().find(|(shared, ..)| *shared == status)
}

fn problem() -> Value {
    json!({ PROBLEM: { "schema": { "$ref": "#/components/schemas/Problem" } } })
}

/// Writes the shared answers, each with the types of problems that it can hold.
pub(super) fn share(document: &mut Value) {
    let Some(responses) = components(document, "responses") else { return };
    for (status, name, description) in SHARED {
        let cases = Case::ALL.iter().filter(|case| case.status().as_u16() == *status);
        let types: Vec<_> = cases.map(|case| format!("`{TYPE_BASE}{}`", case.slug())).collect();
        let description = format!("{description} `type` is {}.", types.join(" or "));
        let mut answer = json!({ "description": description, "content": problem() });
        add_headers(*status, &mut answer);
        responses.insert((*name).to_owned(), answer);
    }
}

fn add_headers(status: u16, answer: &mut Value) {
    match status {
        401 => {
            answer["headers"]["WWW-Authenticate"] =
                json!({ "description": "How to authenticate.", "schema": { "type": "string" } });
        }
        429 | 503 => {
            answer["headers"]["Retry-After"] = json!({
                "description": "Seconds to wait before the next request.",
                "schema": { "type": "integer", "minimum": 1 },
            });
        }
        _ => {}
    }
}
