//! A project as described by a compose file or the config: the part of compose that the hub
//! supports. Only reads; must refuse, by its key, anything that it does not support.

mod compose_error;
mod env_file;
mod extras;
mod node;
mod ports;
mod service;
mod variables;
mod volumes;
mod yaml;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

pub(super) use self::compose_error::{Fault, bad};
use self::node::Node;
pub(super) use self::service::{Build, Condition, Healthcheck, Service};
use self::variables::Variables;
pub(super) use self::volumes::{Mount, Volume};
use super::spec::{ProjectSource, ProjectSpec};
use crate::project::engine_name;
use tidemill::JobError;

/// A project to build and start.
#[derive(Debug, Clone)]
pub(super) struct Project {
    /// Its name in the config.
    pub(super) id: String,
    /// The prefix of names and labels in the engine.
    pub(super) name: String,
    /// The base of relative paths.
    pub(super) folder: PathBuf,
    /// The file, if there is one.
    pub(super) file: Option<PathBuf>,
    /// In the order in which they start.
    pub(super) services: Vec<Service>,
    /// All service names, including those with inactive profiles.
    pub(super) described: BTreeSet<String>,
    /// By their names in the file.
    pub(super) volumes: BTreeMap<String, Volume>,
}

/// The engine's name of the project `name` of the config, even if the rest of its description is invalid.
pub(super) fn name_of(name: &str, spec: &ProjectSpec) -> Result<String, JobError> {
    let Described { source, file, folder, description } = describe(name, spec)?;
    let own = description.get("name").and_then(Value::as_str).unwrap_or(name);
    if !own.contains('$') {
        // An invalid `.env` does not matter here.
        return Ok(engine_name(own));
    }
    let read = || {
        let variables = variables_of(file.is_some().then_some(&folder), &spec.env)?;
        let own = variables::filled(own, &variables).map_err(|message| Fault::new("name", message))?;
        Ok(engine_name(&own))
    };
    read().map_err(|fault| bad(&source, &fault))
}

/// A raw description, and its source.
struct Described {
    /// For people.
    source: String,
    file: Option<PathBuf>,
    folder: PathBuf,
    description: Value,
}

fn describe(name: &str, spec: &ProjectSpec) -> Result<Described, JobError> {
    Ok(match &spec.source {
        ProjectSource::File(path) => {
            let label = path.display().to_string();
            let text = std::fs::read_to_string(path).map_err(|error| {
                let remedy = format!("correct hub.projects.{name}.compose, or create the file");
                bad(&label, &Fault::new("", format!("cannot be read ({error}); {remedy}")))
            })?;
            let folder = path.parent().unwrap_or(Path::new(".")).to_owned();
            let description = yaml::parse(&text).map_err(|fault| bad(&label, &fault))?;
            Described { source: label, file: Some(path.clone()), folder, description }
        }
        ProjectSource::Services(services, folder) => {
            let source = format!("hub.projects.{name}");
            Described {
                source,
                file: None,
                folder: folder.clone(),
                description: json!({ "services": services }),
            }
        }
    })
}

/// Reads the project that the config calls `name`.
pub(super) fn load(name: &str, spec: &ProjectSpec) -> Result<Project, JobError> {
    let Described { source, file, folder, description } = describe(name, spec)?;
    let read = || {
        let variables = variables_of(file.is_some().then_some(&folder), &spec.env)?;
        read(name, description, &folder, &variables)
    };
    let project = read().map_err(|fault| bad(&source, &fault))?;
    Ok(Project { file, ..project })
}

/// The variables of the config, which override the `.env` next to the file.
fn variables_of(folder: Option<&PathBuf>, env: &Variables) -> Result<Variables, Fault> {
    let mut variables = Variables::new();
    if let Some(path) = folder.map(|folder| folder.join(".env")).filter(|path| path.is_file()) {
        variables = env_file::read(&path, env).map_err(|wrong| Fault::new("", wrong))?;
    }
    variables.extend(env.clone());
    Ok(variables)
}

fn read(id: &str, mut description: Value, folder: &Path, variables: &Variables) -> Result<Project, Fault> {
    variables::fill("", &mut description, variables)?;
    let mut table = Node::new("", &description).table()?;
    // Present in old files; has no meaning any more.
    table.take("version");
    let own = table.read("name", Node::text)?;
    let name = engine_name(own.as_deref().unwrap_or(id));
    let volumes = table.read("volumes", |node| volumes::declared(node, &name))?.unwrap_or_default();
    let services =
        table.take("services").ok_or_else(|| Fault::new("services", "is missing; name at least one"))?;
    table.finish("name, services, volumes")?;
    let read = |(name, node): (String, Node<'_>)| service::read(&name, &node, folder, variables, &volumes);
    let mut services: Vec<Service> = services.entries()?.into_iter().map(read).collect::<Result<_, _>>()?;
    let described = services.iter().map(|service| service.name.clone()).collect();
    // As in compose, a variable names the active profiles.
    let wanted: Vec<_> =
        variables.get("COMPOSE_PROFILES").map_or("", |names| names).split(',').map(str::trim).collect();
    services.retain(|service| {
        service.profiles.is_empty()
            || service.profiles.iter().any(|name| wanted.contains(&name.as_str()) || wanted == ["*"])
    });
    if services.is_empty() {
        return Err(Fault::new(
            "services",
            "has no service to start; name at least one without profiles, or set COMPOSE_PROFILES in the \
             project's env",
        ));
    }
    Ok(Project {
        id: id.to_owned(),
        name,
        folder: folder.to_owned(),
        file: None,
        services: in_order(services)?,
        described,
        volumes,
    })
}

/// Services that others wait for come first.
fn in_order(services: Vec<Service>) -> Result<Vec<Service>, Fault> {
    let names: BTreeSet<String> = services.iter().map(|service| service.name.clone()).collect();
    let mut waiting = services;
    let mut ordered: Vec<Service> = Vec::with_capacity(waiting.len());
    for service in &waiting {
        if let Some(unknown) = service.depends_on.keys().find(|name| !names.contains(*name)) {
            let known: Vec<_> = names.iter().map(String::as_str).collect();
            let message =
                format!("does not name a service of this project; its services are: {}", known.join(", "));
            return Err(Fault::new(format!("services.{}.depends_on.{unknown}", service.name), message));
        }
    }
    while !waiting.is_empty() {
        let started = |name: &String| ordered.iter().any(|service| service.name == *name);
        let next = waiting.iter().position(|service| service.depends_on.keys().all(started));
        let Some(next) = next else {
            let message = "waits, through other services, for itself; remove one depends_on";
            return Err(Fault::new(format!("services.{}.depends_on", waiting[0].name), message));
        };
        ordered.push(waiting.remove(next));
    }
    Ok(ordered)
}
