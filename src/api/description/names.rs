//! The name of each operation, from which generators make the names of functions: its tag and its own name, so that two
//! nouns may have the same verb. Names are part of the contract; must never give one that hangs on the order of routes.

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
