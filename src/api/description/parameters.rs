//! Describes the parameters that several operations share: parts of paths, and the idempotency key.
//! Must never leave a part of a path undescribed, or describe a parameter or body as nullable.

use serde_json::{Map, Value, json};

use super::document::components;
use super::inputs::{JOB, NAME, TEXT, refine_value};
use crate::job::file_name::FILE_NAME_PATTERN as FILE_NAME;
use crate::job::unique::STATUSES;

const IDEMPOTENCY_KEY: &str = "Idempotency-Key";
/// The component for the name of a file that is to be kept.
const KEPT_FILE: &str = "FileName";

/// The parameters that routes share: the component, its location, its name, its description, and its
/// schema.
fn shared() -> Vec<(&'static str, &'static str, &'static str, &'static str, Value)> {
    let name = json!({ "type": "string", "minLength": 1, "maxLength": 63, "pattern": NAME });
    let text = |most: u32| json!({ "type": "string", "minLength": 1, "maxLength": most, "pattern": TEXT });
    let job = json!({ "type": "string", "maxLength": 265, "pattern": JOB });
    let file = json!({ "type": "string", "minLength": 1, "maxLength": 200, "pattern": FILE_NAME });
    let limit = json!({ "type": "string", "maxLength": 69, "pattern": NAME.replacen('^', "^(queue:)?", 1) });
    let key =
        json!({ "type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]([ -~]*[!-~])?$" });
    vec![
        (
            "JobName",
            "path",
            "id",
            "A job's id (for a workflow, the id of its own job), or `execution:<execution_id>`.",
            job.clone(),
        ),
        ("TaskId", "path", "task_id", "The task's id.", job),
        ("QueueName", "path", "queue", "The queue's name.", name.clone()),
        ("KindName", "path", "kind", "The kind's name.", name.clone()),
        ("ScheduleName", "path", "schedule", "The schedule's name.", name.clone()),
        ("RuleName", "path", "rule", "The rule's name.", name),
        ("LimitName", "path", "limit", "The limit's name; a queue's limit is `queue:<name>`.", limit),
        ("WorkerId", "path", "worker", "The worker's id.", text(255)),
        ("SessionId", "path", "session_id", "The session's name.", text(100)),
        (
            "ExecutionId",
            "path",
            "execution_id",
            "Your own name for the work, as sent or returned when it was enqueued.",
            text(255),
        ),
        ("PartName", "path", "name", "The name of the job's signal or file.", text(200)),
        (
            KEPT_FILE,
            "path",
            "name",
            "The name of the file; `args.json` and `result.json` are reserved.",
            file,
        ),
        (
            "ProjectId",
            "path",
            "project_id",
            "A project from the config.",
            json!({ "type": "string", "minLength": 1 }),
        ),
        (
            "IdempotencyKey",
            "header",
            IDEMPOTENCY_KEY,
            "1 to 255 printable characters, new for each piece of work; a repeated request with the same \
             key gets the first answer.",
            key,
        ),
    ]
}

/// Writes the shared parameters.
pub(super) fn share(document: &mut Value) {
    let Some(parameters) = components(document, "parameters") else { return };
    for (component, place, name, description, schema) in shared() {
        let is_needed = place == "path";
        let parameter = json!({ "name": name, "in": place, "required": is_needed, "description": description, "schema": schema });
        parameters.insert(component.into(), parameter);
    }
}

/// Completes the parameters of an operation, and its body.
pub(super) fn refine(path: &str, operation: &mut Map<String, Value>) {
    let mut parameters = Vec::new();
    // Any name may be asked for, and not every name can be given.
    let is_kept_file = path.starts_with("/api/v1/worker/") && path.ends_with("/artifacts/{name}");
    for (component, place, name, ..) in shared() {
        let is_other = name == "name" && (component == KEPT_FILE) != is_kept_file;
        if place == "path" && path.contains(&format!("{{{name}}}")) && !is_other {
            parameters.push(json!({ "$ref": format!("#/components/parameters/{component}") }));
        }
    }
    let own = operation.remove("parameters");
    for mut parameter in own.as_ref().and_then(Value::as_array).into_iter().flatten().cloned() {
        if parameter["in"] == "path" {
            continue;
        }
        if parameter["name"] == IDEMPOTENCY_KEY {
            parameter = json!({ "$ref": "#/components/parameters/IdempotencyKey" });
        } else {
            let name = parameter["name"].as_str().unwrap_or_default().to_owned();
            never_null(&mut parameter["schema"]);
            refine_value(&name, &mut parameter["schema"]);
            if name == "state" {
                parameter["schema"]["enum"] = json!(STATUSES);
            }
        }
        parameters.push(parameter);
    }
    if !parameters.is_empty() {
        operation.insert("parameters".into(), parameters.into());
    }
    if let Some(body) = operation.get_mut("requestBody") {
        refine_body(body);
    }
}

/// A body that may be left out is left out, and never null.
fn refine_body(body: &mut Value) {
    for (_, content) in body["content"].as_object_mut().into_iter().flatten() {
        never_null(&mut content["schema"]);
    }
}

/// Takes away that something may be null; what remains of a choice of one is that one.
fn never_null(schema: &mut Value) {
    if let Some(types) = schema["type"].as_array_mut() {
        types.retain(|kind| kind != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            schema["type"] = only;
        }
    }
    for part in ["oneOf", "anyOf"] {
        let Some(choices) = schema.get_mut(part).and_then(Value::as_array_mut) else { continue };
        choices.retain(|choice| choice["type"] != "null");
        if let [only] = choices.as_slice() {
            let only = only.clone();
            if let Some(members) = schema.as_object_mut() {
                members.remove(part);
                members.extend(only.as_object().cloned().unwrap_or_default());
            }
        }
    }
    if let Some(members) = schema.as_object_mut() {
        members.retain(|_, value| !value.is_null());
    }
}
