//! Rules for every schema: an object without described members may have any members, since generators
//! make types of it otherwise that accept nothing at all; no description has examples in Rust.

use serde_json::{Value, json};

/// Members of a schema that hold data and no schemas.
const DATA: [&str; 5] = ["example", "examples", "default", "enum", "const"];

/// Schemas of answers that have members of their own besides those that are named.
const OPEN: [&str; 2] = ["Problem", "JobEvent"];

/// Says of every bare object, and of what has members of its own, that it is open.
pub(super) fn open(document: &mut Value) {
    open_objects(document);
    for (name, schema) in super::document::components(document, "schemas").into_iter().flatten() {
        if OPEN.contains(&name.as_str()) {
            schema["additionalProperties"] = json!(true);
        }
        cut_examples(schema);
        // The items of a page have a type that clients know by its name.
        if let Some(item) = name.strip_prefix("Page_") {
            schema["properties"]["items"]["items"] =
                json!({ "$ref": format!("#/components/schemas/{item}") });
        }
    }
}

/// Ends a description before its examples, which are in Rust.
fn cut_examples(schema: &mut Value) {
    let Some(Value::String(description)) = schema.get_mut("description") else { return };
    if let Some(end) = description.find("# Examples") {
        description.truncate(end);
        description.truncate(description.trim_end().len());
    }
}

/// Says of every bare object that it is open.
fn open_objects(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            for (_, inner) in members.iter_mut().filter(|(name, _)| !DATA.contains(&name.as_str())) {
                open_objects(inner);
            }
            let keywords = ["properties", "additionalProperties", "allOf", "oneOf", "anyOf", "$ref"];
            if is_object(members.get("type")) && !keywords.iter().any(|word| members.contains_key(*word)) {
                members.insert("additionalProperties".into(), json!(true));
            }
        }
        Value::Array(items) => items.iter_mut().for_each(open_objects),
        _ => {}
    }
}

fn is_object(kind: Option<&Value>) -> bool {
    match kind {
        Some(Value::Array(kinds)) => kinds.iter().any(|kind| kind == "object"),
        Some(kind) => kind == "object",
        None => false,
    }
}
