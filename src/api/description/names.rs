//! The operation ids, from which generators make function names: the tag and the operation's own
//! name, so that two nouns can have the same verb. Ids are part of the contract; they must never
//! depend on the order of routes.

use serde_json::{Map, Value};

/// Puts the tag before the operation's own name: `jobs_list`, `queues_list`.
pub(super) fn name(operation: &mut Map<String, Value>) {
    let tag = operation.get("tags").and_then(|tags| tags[0].as_str()).unwrap_or("api");
    // The verbs of remote workers, in one word.
    let tag = if tag == "remote workers" { "worker" } else { tag };
    let own = operation.get("operationId").and_then(Value::as_str).unwrap_or_default();
    let name = format!("{}_{own}", tag.replace(' ', "_"));
    operation.insert("operationId".into(), name.into());
}
