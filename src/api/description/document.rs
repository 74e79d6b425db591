//! The parts of a description as JSON: its operations and its components.

use serde_json::{Map, Value, json};

/// The members of a path item that are operations.
const METHODS: [&str; 5] = ["get", "post", "patch", "put", "delete"];

/// One operation of the description.
pub(super) struct Operation<'a> {
    pub(super) method: String,
    pub(super) path: &'a str,
    pub(super) members: &'a mut Map<String, Value>,
}

/// All operations, in the order of their paths.
pub(super) fn operations(document: &mut Value) -> impl Iterator<Item = Operation<'_>> {
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
pub(super) fn components<'a>(document: &'a mut Value, part: &str) -> Option<&'a mut Map<String, Value>> {
    let components = document.as_object_mut()?.entry("components").or_insert_with(|| json!({}));
    components.as_object_mut()?.entry(part).or_insert_with(|| json!({})).as_object_mut()
}
