//! Holds every answer that a test gets against the description of the API: its status, its media type and its body must
//! be there. So a route that answers otherwise than it is described fails the test that meets it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use jsonschema::{Draft, Validator};
use serde_json::{Value, json};
use tidemill::api::router::description;
use tidemill::api::state::ApiState;

/// The description, and the checks that were made of it so far.
pub(crate) struct Contract {
    pub(crate) document: Value,
    checks: Mutex<HashMap<String, Arc<Validator>>>,
}

static CONTRACT: OnceLock<Contract> = OnceLock::new();

impl Contract {
    /// That of the routes; the same for every server of the process.
    pub(crate) fn of(state: &ApiState) -> &'static Self {
        CONTRACT.get_or_init(|| Self { document: description(state).unwrap(), checks: Mutex::default() })
    }

    /// Fails if the description does not have such an answer.
    #[track_caller]
    pub(crate) fn hold(&self, method: &str, path: &str, status: u16, media_type: &str, body: &Value) {
        // The list of a job's events answers the stream as well, which is described at its own address.
        let is_stream = media_type.starts_with("text/event-stream") && path.starts_with("/api/v1/jobs/");
        let described_at =
            if is_stream && path.ends_with("/events") { format!("{path}/stream") } else { path.to_owned() };
        let Some((template, operation)) = self.operation(method, &described_at) else { return };
        let route = format!("{method} {template}");
        let answer = &operation["responses"][status.to_string()];
        assert!(!answer.is_null(), "{route} answered {status}, which its description does not name: {body}");
        let answer = self.resolved(answer);
        let Some(content) = answer["content"].as_object() else {
            assert!(body == "" || body.is_null(), "{route} answered {status} with a body: {body}");
            return;
        };
        let essence = media_type.split(';').next().unwrap_or_default();
        let described = content.get(essence);
        assert!(described.is_some(), "{route} answered {status} as {essence:?}; described is {content:?}");
        let is_json = essence == "application/json" || essence.ends_with("+json");
        if let Some(schema) =
            described.map(|content| &content["schema"]).filter(|schema| is_json && !schema.is_null())
        {
            let key = format!("{route} {status} {essence}");
            let errors: Vec<_> = self
                .check(key, schema)
                .iter_errors(body)
                .map(|error| format!("{}: {error}", error.instance_path()))
                .collect();
            assert!(
                errors.is_empty(),
                "{route} answered {status} with what does not fit: {errors:#?}\n{body}"
            );
        }
    }

    /// The operation that answers an address, and the path as it is described.
    fn operation(&self, method: &str, path: &str) -> Option<(&str, &Value)> {
        let paths = self.document["paths"].as_object()?.iter();
        let mut fitting: Vec<_> = paths.filter(|(template, _)| fits(template, path)).collect();
        // A word goes before a part that may be anything.
        fitting.sort_by_key(|(template, _)| template.matches('{').count());
        let (template, item) = fitting.first()?;
        item.get(method.to_ascii_lowercase()).map(|operation| (template.as_str(), operation))
    }

    fn resolved<'a>(&'a self, part: &'a Value) -> &'a Value {
        let to = part["$ref"].as_str().and_then(|to| self.document.pointer(to.strip_prefix('#')?));
        to.unwrap_or(part)
    }

    fn check(&self, key: String, schema: &Value) -> Arc<Validator> {
        let mut checks = self.checks.lock().unwrap_or_else(PoisonError::into_inner);
        let made = || {
            let mut whole = json!({ "components": self.document["components"] });
            whole["allOf"] = json!([schema]);
            let options = jsonschema::options().with_draft(Draft::Draft202012).should_validate_formats(true);
            Arc::new(options.build(&whole).unwrap())
        };
        Arc::clone(checks.entry(key).or_insert_with(made))
    }
}

fn fits(template: &str, path: &str) -> bool {
    let (parts, segments): (Vec<_>, Vec<_>) = (template.split('/').collect(), path.split('/').collect());
    parts.len() == segments.len()
        && parts.iter().zip(&segments).all(|(part, segment)| part == segment || part.starts_with('{'))
}
