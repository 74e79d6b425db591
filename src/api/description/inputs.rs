//! Describes the values in request bodies where many routes share a rule: names, durations,
//! priorities. Must never require more than the check in the code does.

use serde_json::{Map, Value, json};

use super::document::{components, operations};
use crate::job::unique::{REPLACEABLE, STATUSES};

/// A name as `check::name` takes it.
pub(super) use crate::job::limits::NAME_PATTERN as NAME;
/// A job as `JobName::parse` takes it.
pub(super) const JOB: &str = "^([0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|execution:[^\\u0000-\\u001f\\u007f-\\u009f]{1,255})$";
/// Text without control characters.
pub(super) const TEXT: &str = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$";

/// Writes the rules into the schemas of requests.
pub(super) fn share(document: &mut Value) {
    let mut asked = Vec::new();
    for operation in operations(document) {
        references(operation.members.get("requestBody").unwrap_or(&Value::Null), &mut asked);
    }
    let Some(schemas) = components(document, "schemas") else { return };
    schemas.extend(values().into_iter().map(|(component, value)| (component.to_owned(), value)));
    schemas.remove("PriorityName");
    limit_words(schemas);
    for (schema, member) in LEFT_OUT {
        if let Some(member) = member_of(schemas, schema, member) {
            member["type"] = json!("object");
        }
    }
    let mut seen = 0;
    while let Some(name) = asked.get(seen).cloned() {
        seen += 1;
        if let Some(schema) = schemas.get_mut(&name) {
            references(schema, &mut asked);
            refine_members(schema);
        }
    }
}

/// The schemas that a part of the description refers to, each once.
fn references(part: &Value, found: &mut Vec<String>) {
    match part {
        Value::Object(members) => {
            let name = members
                .get("$ref")
                .and_then(Value::as_str)
                .and_then(|to| to.strip_prefix("#/components/schemas/"));
            if let Some(name) = name.filter(|name| !found.iter().any(|found| found == name)) {
                found.push(name.to_owned());
            }
            members.values().for_each(|inner| references(inner, found));
        }
        Value::Array(items) => items.iter().for_each(|inner| references(inner, found)),
        _ => {}
    }
}

fn refine_members(schema: &mut Value) {
    for part in ["allOf", "oneOf", "anyOf"] {
        schema.get_mut(part).and_then(Value::as_array_mut).into_iter().flatten().for_each(refine_members);
    }
    let members = schema.get_mut("properties").and_then(Value::as_object_mut).into_iter().flatten();
    for (name, member) in members {
        refine_value(name, member);
    }
}

/// Puts the rule of its name on a member or parameter, unless it has a rule of its own.
pub(super) fn refine_value(name: &str, schema: &mut Value) {
    let Some(rule) = rule(name) else { return };
    let schema = if schema.get("items").is_some() { &mut schema["items"] } else { schema };
    let is_text = schema["type"] == "string"
        || schema["type"].as_array().is_some_and(|types| types.iter().any(|kind| kind == "string"));
    let Some(members) = schema.as_object_mut().filter(|_| is_text) else { return };
    if !["pattern", "enum", "format"].iter().any(|word| members.contains_key(*word)) {
        for (word, value) in rule.as_object().into_iter().flatten() {
            members.entry(word).or_insert_with(|| value.clone());
        }
    }
}

/// The rule for every member and parameter of a name.
fn rule(name: &str) -> Option<Value> {
    match name {
        "kind" | "kinds" | "queue" | "queues" | "rule" | "stream" | "worker" => {
            Some(json!({ "minLength": 1, "maxLength": 63, "pattern": NAME }))
        }
        "tag" | "tags" => Some(json!({ "minLength": 1, "maxLength": 64, "pattern": TEXT })),
        "execution_id" | "fair_key" | "owner" | "service_name" | "session_id" | "team_id" => {
            Some(json!({ "pattern": TEXT }))
        }
        "created_after" | "created_before" | "finished_after" | "finished_before" => {
            Some(json!({ "format": "date-time" }))
        }
        _ => None,
    }
}

/// Members that hold one word, or several, of a few: the schema, the member, and the words.
const WORDS: [(&str, &str, &[&str]); 4] = [
    ("Unique", "by", &["kind", "queue", "args"]),
    ("Unique", "states", STATUSES),
    ("Unique", "replace", REPLACEABLE),
    ("Unique", "on_conflict", &["keep", "reject", "replace", "next_period"]),
];

/// Objects that are left out rather than null; of a choice with null generators make types with numbers for names.
const LEFT_OUT: [(&str, &str); 3] =
    [("JobRequest", "args"), ("JobRequest", "metadata"), ("WorkflowRequest", "metadata")];

fn member_of<'a>(schemas: &'a mut Map<String, Value>, schema: &str, member: &str) -> Option<&'a mut Value> {
    schemas.get_mut(schema)?.pointer_mut(&format!("/properties/{member}"))
}

fn limit_words(schemas: &mut Map<String, Value>) {
    for (schema, member, words) in WORDS {
        let Some(member) = member_of(schemas, schema, member) else { continue };
        let (target, may_be_null) = if member.get("items").is_some() {
            (&mut member["items"], false)
        } else {
            let may_be_null = member["type"].is_array();
            (member, may_be_null)
        };
        let null = may_be_null.then_some(Value::Null);
        target["enum"] = words.iter().map(|word| json!(word)).chain(null).collect();
    }
}

/// Values that several checks read and no type of Rust has: the component, and its rule.
fn values() -> Vec<(&'static str, Value)> {
    let units = "ms|millis|s|sec|secs|second|seconds|m|min|mins|minute|minutes|h|hr|hrs|hour|hours|d|day|days|w|week|weeks";
    let duration = format!("^([0-9]{{1,9}} ?({units}) ?)+$");
    let key = format!("{}(:[^\\u0000-\\u001f\\u007f-\\u009f]*)?$", NAME.trim_end_matches('$'));
    let key = json!({ "type": "string", "minLength": 1, "maxLength": 255, "pattern": key });
    vec![
        (
            "Duration",
            json!({
                "description": "A duration as text such as `30s`, `1h30m`, `2days`, or as a number of seconds.",
                "oneOf": [
                    { "type": "string", "maxLength": 100, "pattern": duration },
                    { "type": "number", "minimum": 0, "maximum": 315_360_000 },
                ],
            }),
        ),
        (
            "Priority",
            json!({
                "description": "1 (first) to 9 (last), or its name: 1, 3, 5, 7.",
                "oneOf": [
                    { "type": "integer", "minimum": 1, "maximum": 9 },
                    { "type": "string", "enum": ["critical", "high", "normal", "low"] },
                ],
            }),
        ),
        (
            "After",
            json!({
                "description": "A job to wait for; with `as` its result is passed on.",
                "oneOf": [
                    { "type": "string", "pattern": JOB },
                    { "$ref": "#/components/schemas/AfterPassing" },
                ],
            }),
        ),
        (
            "ConcurrencyKey",
            json!({
                "description": "One concurrency key such as `tenant:42`, or 1 to 4 of them.",
                "oneOf": [key.clone(), { "type": "array", "minItems": 1, "maxItems": 4, "items": key }],
            }),
        ),
    ]
}
