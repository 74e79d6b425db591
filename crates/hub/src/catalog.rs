//! All projects: those of the config, and those that the API keeps as documents. The documents are read
//! again for each task, so that a change needs no restart. A document must never replace a project of
//! the config.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tidemill::Store;
use tidemill::extension::documents::{DocumentAct, Documents, StoredDocument};
use tidemill::extension::jobs::Result;

use crate::settings::read_project;
use crate::spec::{HubSettings, ProjectSpec};

/// All projects by name.
pub(crate) type Projects = BTreeMap<String, ProjectSpec>;

/// The name of the extension that keeps the documents.
const EXTENSION: &str = "hub";
/// The field of a document with the project as it was given.
pub(crate) const PROJECT: &str = "project";
/// The field of a document that is true from a start until a stop.
const STARTED: &str = "started";

/// The projects of the API.
pub(crate) fn documents(store: &Store) -> Documents<'_> {
    store.documents(EXTENSION)
}

/// All projects.
pub(crate) async fn all(settings: &HubSettings, store: &Store) -> Result<Projects> {
    let mut projects = settings.projects.clone();
    if settings.projects_by_rest {
        for stored in documents(store).list().await? {
            if let Some(spec) = spec_of(settings, &stored) {
                projects.entry(stored.name).or_insert(spec);
            }
        }
    }
    Ok(projects)
}

fn spec_of(settings: &HubSettings, stored: &StoredDocument) -> Option<ProjectSpec> {
    match read_project(&stored.name, &stored.document[PROJECT]) {
        Ok(section) => Some(ProjectSpec::of(&section, &settings.folder)),
        Err(problems) => {
            let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
            tracing::warn!(
                project = stored.name,
                problems = problems.join("; "),
                "a project of the API is not used"
            );
            None
        }
    }
}

/// Whether a project was started and not stopped since.
pub(crate) fn is_started(stored: &StoredDocument) -> bool {
    stored.document[STARTED] == true
}

/// The document of a project.
pub(crate) fn document(project: &Value, is_started: bool) -> Value {
    json!({ PROJECT: project, STARTED: is_started })
}

/// Remembers that a project is about to be started, or has been stopped; false if it is gone.
pub(crate) async fn remember(store: &Store, name: &str, started: bool) -> Result<bool> {
    let documents = documents(store);
    loop {
        let Some(stored) = documents.get(name).await? else { return Ok(false) };
        let document = document(&stored.document[PROJECT], started);
        let done = is_started(&stored) == started
            || documents.put(name, &document, stored.version, None).await?.is_some();
        if done {
            return Ok(true);
        }
    }
}

/// What the audit log says of a change.
pub(crate) fn act(verb: &str, name: &str, before: Option<Value>, after: Option<Value>) -> DocumentAct {
    DocumentAct { action: format!("{verb} project"), subject: format!("project:{name}"), before, after }
}

/// A project as people may see it: without the values of its variables.
pub(crate) fn shown(project: &Value) -> Value {
    let mut project = project.clone();
    if let Some(env) = project.get_mut("env") {
        hide(env);
    }
    if let Some(services) = project.get_mut("services").and_then(Value::as_object_mut) {
        for service in services.values_mut() {
            for place in ["/environment", "/build/args"] {
                if let Some(variables) = service.pointer_mut(place) {
                    hide(variables);
                }
            }
        }
    }
    project
}

/// Hides the values of variables, given by name or as lines `NAME=VALUE`.
fn hide(variables: &mut Value) {
    const HIDDEN: &str = "[redacted]";
    match variables {
        Value::Object(variables) => variables.values_mut().for_each(|value| *value = HIDDEN.into()),
        Value::Array(lines) => {
            for line in lines {
                let name = line.as_str().map(|line| line.split('=').next().unwrap_or_default());
                *line = name.map_or_else(|| HIDDEN.into(), |name| format!("{name}={HIDDEN}").into());
            }
        }
        other => *other = HIDDEN.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_values_of_variables_are_hidden_in_each_of_their_forms() {
        let project = json!({
            "env": { "A": "s3cret" },
            "services": {
                "web": { "image": "nginx", "environment": ["B=s3cret=1", "C"], "build": { "args": { "D": "s3cret" } } },
                "odd": { "environment": "s3cret" },
            },
        });
        let shown = shown(&project);
        assert!(!shown.to_string().contains("s3cret"), "{shown}");
        assert_eq!(shown["services"]["web"]["image"], "nginx");
        assert_eq!(shown["services"]["web"]["environment"], json!(["B=[redacted]", "C=[redacted]"]));
    }
}
