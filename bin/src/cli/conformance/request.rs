//! Reads a worker's request: its verb, its job, and whether its body has the fields that the
//! server takes. The fields are in `conformance/remote-worker-verbs.json`. Must decide nothing about jobs.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use axum::http::Method;
use serde::Deserialize;
use serde_json::{Map, Value};

static FIELDS: LazyLock<BTreeMap<String, Fields>> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../../../../conformance/remote-worker-verbs.json"))
        .expect("the file is part of the program")
});

/// The fields of a verb's body.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    needs: Vec<String>,
    may: Vec<String>,
}

/// A request by its address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Route {
    /// A verb of a remote worker, such as `claim` or `log`, and the job in its path.
    Verb(String, Option<String>),
    /// The rules of a kind.
    Kind(String),
    /// A list that belongs to a job: `steps`, `signals`.
    List(String, String),
    Other,
}

/// A verb that ends the attempt.
pub(super) fn is_end(verb: &str) -> bool {
    matches!(verb, "complete" | "fail" | "snooze" | "wait")
}

impl Route {
    pub(super) fn of(method: &Method, path: &str) -> Self {
        let parts: Vec<&str> =
            path.strip_prefix("/api/v1/").map(|rest| rest.split('/').collect()).unwrap_or_default();
        let own = str::to_owned;
        match (method.as_str(), parts.as_slice()) {
            ("POST", ["worker", verb @ ("claim" | "heartbeat" | "settle")]) => Self::Verb(own(verb), None),
            ("POST", ["worker", "jobs", job, verb]) if FIELDS.contains_key(*verb) => {
                Self::Verb(own(verb), Some(own(job)))
            }
            ("PUT", ["kinds", kind]) => Self::Kind(own(kind)),
            ("GET", ["jobs", job, list @ ("steps" | "signals")]) => Self::List(own(job), own(list)),
            _ => Self::Other,
        }
    }

    /// The sort by which faults name requests.
    pub(super) fn sort(&self) -> &str {
        match self {
            Self::Verb(verb, _) if is_end(verb) || verb == "settle" => "end",
            Self::Verb(verb, _) => verb,
            Self::Kind(_) | Self::List(..) | Self::Other => "",
        }
    }
}

/// Why the server would refuse this body, if it would.
pub(super) fn refused(verb: &str, body: &Map<String, Value>) -> Option<String> {
    let fields = FIELDS.get(verb)?;
    if let Some(missing) = fields.needs.iter().find(|name| !body.contains_key(*name)) {
        return Some(format!("{verb} without `{missing}`"));
    }
    let is_known = |name: &&String| fields.needs.contains(name) || fields.may.contains(name);
    if let Some(unknown) = body.keys().find(|name| !is_known(name)) {
        return Some(format!("{verb} with `{unknown}`, which it does not have"));
    }
    let strings = |name: &str| body[name].as_array().is_some_and(|list| list.iter().all(Value::is_string));
    let wrong = match verb {
        "claim" if !strings("kinds") => "kinds",
        "heartbeat" if !strings("leases") => "leases",
        "log" if !strings("lines") || body["lines"] == Value::Array(Vec::new()) => "lines",
        "fail" if !body["error"]["message"].is_string() => "error",
        "progress" if !body.get("percent").is_none_or(|it| it.is_null() || it.is_number()) => "percent",
        "settle" if !body["ends"].is_array() => "ends",
        _ => return None,
    };
    Some(format!("{verb} with a `{wrong}` that the server does not take: {}", body[wrong]))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_request_is_known_by_its_address() {
        let of = |method, path| Route::of(&method, path);
        assert_eq!(of(Method::POST, "/api/v1/worker/claim"), Route::Verb("claim".into(), None));
        let log = of(Method::POST, "/api/v1/worker/jobs/7/log");
        assert_eq!((log.sort(), &log), ("log", &Route::Verb("log".into(), Some("7".into()))));
        assert_eq!(of(Method::POST, "/api/v1/worker/jobs/7/complete").sort(), "end");
        assert_eq!(of(Method::POST, "/api/v1/worker/jobs/7/sing"), Route::Other);
        assert_eq!(of(Method::GET, "/api/v1/worker/claim"), Route::Other);
        assert_eq!(of(Method::GET, "/api/v1/jobs/7/steps"), Route::List("7".into(), "steps".into()));
    }

    #[test]
    fn a_body_has_the_fields_of_its_verb() {
        let of = |verb: &str, body: Value| refused(verb, body.as_object().unwrap());
        assert_eq!(of("claim", json!({"worker": "w", "kinds": ["k"]})), None);
        assert!(of("claim", json!({"worker": "w"})).unwrap().contains("kinds"));
        assert!(of("complete", json!({"lease_id": "l", "output": 1})).unwrap().contains("output"));
        assert!(of("log", json!({"lease_id": "l", "lines": "one"})).unwrap().contains("lines"));
        assert!(of("fail", json!({"lease_id": "l", "error": "no"})).unwrap().contains("error"));
    }
}
