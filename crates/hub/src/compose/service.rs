//! One service of a project: the supported keys of compose, read and checked. Must refuse every key
//! that has no effect here.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use super::compose_error::Fault;
use super::env_file;
use super::extras::{self, Extras};
use super::node::Node;
use super::ports::{self, Port};
use super::variables::Variables;
use super::volumes::{self, Mount, Volumes};

const SUPPORTED: &str = "build, command, container_name, depends_on, entrypoint, env_file, environment, healthcheck, image, \
                         labels, network_mode, ports, profiles, restart, stop_grace_period, stop_signal, user, volumes, working_dir";

/// A service.
#[derive(Debug, Clone)]
pub(crate) struct Service {
    pub(crate) name: String,
    pub(crate) image: Option<String>,
    pub(crate) build: Option<Build>,
    pub(crate) container_name: Option<String>,
    pub(crate) command: Option<Vec<String>>,
    pub(crate) entrypoint: Option<Vec<String>>,
    pub(crate) environment: BTreeMap<String, String>,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) ports: Vec<Port>,
    pub(crate) mounts: Vec<Mount>,
    /// `host`, `none`, `bridge` or `container:…`; the project's own network if `None`.
    pub(crate) network_mode: Option<String>,
    pub(crate) healthcheck: Option<Healthcheck>,
    pub(crate) depends_on: BTreeMap<String, Condition>,
    /// `no`, `always`, `unless-stopped` or `on-failure[:times]`.
    pub(crate) restart: Option<String>,
    pub(crate) stop_signal: Option<String>,
    pub(crate) stop_grace_period: Option<Duration>,
    pub(crate) user: Option<String>,
    pub(crate) working_dir: Option<String>,
    /// It is started only if one of these is active; always if there are none.
    pub(crate) profiles: Vec<String>,
    pub(crate) extras: Extras,
    /// Its description; a container created from another description is created again.
    pub(crate) description: String,
}

/// How an image is built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Build {
    /// The folder that is sent to the engine, absolute.
    pub(crate) context: PathBuf,
    /// Relative to the context.
    pub(crate) dockerfile: String,
    pub(crate) args: BTreeMap<String, String>,
    pub(crate) target: Option<String>,
    /// The network of its `RUN` steps.
    pub(crate) network: Option<String>,
    /// The ignored keys, for the log.
    pub(crate) notes: Vec<String>,
}

/// The health check of a container.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Healthcheck {
    /// `["NONE"]`, `["CMD", …]` or `["CMD-SHELL", …]`; the image's own if empty.
    pub(crate) test: Vec<String>,
    pub(crate) interval: Option<Duration>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) start_period: Option<Duration>,
    pub(crate) retries: Option<i64>,
}

/// The condition of a service before another one starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Condition {
    Started,
    Healthy,
    Completed,
}

/// Reads the service at `node`.
pub(super) fn read(
    name: &str,
    node: &Node<'_>,
    folder: &Path,
    variables: &Variables,
    volumes: &Volumes,
) -> Result<Service, Fault> {
    let mut table = node.table()?;
    let build = table.read("build", |node| build(node, folder))?;
    let image = table.read("image", Node::text)?;
    if build.is_none() && image.is_none() {
        return Err(table.fault("has neither image nor build; give it one of them"));
    }
    let mounts = table.take("volumes").map(|node| node.items()).transpose()?.unwrap_or_default();
    let ports = table.take("ports").map(|node| node.items()).transpose()?.unwrap_or_default();
    let mut environment =
        table.read("env_file", |node| env_files(node, folder, variables))?.unwrap_or_default();
    let own = table.read("environment", |node| valued(&node.pairs()?, &node.key))?;
    environment.extend(own.unwrap_or_default());
    let labels = table.read("labels", Node::pairs)?.unwrap_or_default();
    let service = Service {
        name: name.to_owned(),
        image,
        build,
        container_name: table.read("container_name", Node::text)?,
        command: table.read("command", Node::words)?,
        entrypoint: table.read("entrypoint", Node::words)?,
        environment,
        labels: labels.into_iter().map(|(name, value)| (name, value.unwrap_or_default())).collect(),
        ports: ports.iter().map(ports::read).collect::<Result<_, _>>()?,
        mounts: mounts.iter().map(|node| volumes::mount(node, volumes, folder)).collect::<Result<_, _>>()?,
        network_mode: table.read("network_mode", network_mode)?,
        healthcheck: table.read("healthcheck", healthcheck)?,
        depends_on: table.read("depends_on", depends_on)?.unwrap_or_default(),
        restart: table.read("restart", restart)?,
        stop_signal: table.read("stop_signal", Node::text)?,
        stop_grace_period: table.read("stop_grace_period", Node::duration)?,
        user: table.read("user", Node::text)?,
        working_dir: table.read("working_dir", Node::text)?,
        profiles: table.read("profiles", Node::texts)?.unwrap_or_default(),
        extras: extras::read(&mut table)?,
        description: node.value.to_string(),
    };
    table.finish(&format!("{SUPPORTED}, {}", extras::SUPPORTED))?;
    // The content of its files is part of its description.
    let environment = serde_json::to_string(&service.environment).unwrap_or_default();
    Ok(Service { description: format!("{}{environment}", service.description), ..service })
}

/// The variables of files; later files take precedence; each is a path, or `path` and `required`.
fn env_files(node: &Node<'_>, folder: &Path, variables: &Variables) -> Result<Variables, Fault> {
    let files = if node.value.is_array() { node.items()? } else { vec![node.clone()] };
    let mut read = Variables::new();
    for file in files {
        let (path, required) = if file.value.is_object() {
            let mut table = file.table()?;
            let path = table.read("path", Node::text)?.ok_or_else(|| file.fault("has no path"))?;
            let required = table.read("required", Node::flag)?.unwrap_or(true);
            table.finish("path, required")?;
            (path, required)
        } else {
            (file.text()?, true)
        };
        let path = folder.join(path);
        if !required && !path.is_file() {
            continue;
        }
        let from_file =
            env_file::read(&path, variables).map_err(|wrong| file.fault(format!("names {wrong}")))?;
        read.extend(from_file);
    }
    Ok(read)
}

fn build(node: &Node<'_>, folder: &Path) -> Result<Build, Fault> {
    let plain = |context: String| Build {
        context: folder.join(context),
        dockerfile: "Dockerfile".into(),
        args: BTreeMap::new(),
        target: None,
        network: None,
        notes: Vec::new(),
    };
    if let Value::String(context) = node.value {
        return local(node, plain(context.clone()));
    }
    let mut table = node.table()?;
    let mut build = plain(table.read("context", Node::text)?.unwrap_or_else(|| ".".into()));
    if let Some(dockerfile) = table.read("dockerfile", Node::text)? {
        build.dockerfile = dockerfile;
    }
    build.args = table.read("args", |node| valued(&node.pairs()?, &node.key))?.unwrap_or_default();
    build.target = table.read("target", Node::text)?;
    build.network = table.read("network", Node::text)?;
    // Hints for a builder without a cache.
    for key in ["cache_from", "cache_to"] {
        build.notes.extend(table.take(key).map(|node| extras::passed_over(&node)));
    }
    table.finish("context, dockerfile, args, target, network")?;
    local(node, build)
}

/// Compose would take a missing value from its own environment; the hub's environment must not be exposed.
fn valued(pairs: &BTreeMap<String, Option<String>>, key: &str) -> Result<BTreeMap<String, String>, Fault> {
    let value = |(name, value): (&String, &Option<String>)| match value {
        Some(value) => Ok((name.clone(), value.clone())),
        None => Err(Fault::new(
            format!("{key}.{name}"),
            format!("has no value; give it one, or write ${{{name}}}"),
        )),
    };
    pairs.iter().map(value).collect()
}

/// A build with local files in places that the engine's own builder supports.
fn local(node: &Node<'_>, build: Build) -> Result<Build, Fault> {
    let (context, dockerfile) = (build.context.display(), Path::new(&build.dockerfile));
    if !build.context.is_dir() {
        return Err(node.fault(format!("has the context {context}, which is not a folder on this machine")));
    }
    if !dockerfile.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir)) {
        return Err(node.fault(format!(
            "has the Dockerfile {}, which is not a path inside its context; put it into {context}",
            dockerfile.display()
        )));
    }
    if !build.context.join(dockerfile).is_file() {
        return Err(node.fault(format!(
            "has the Dockerfile {}, which is not a file in {context}; put it there, or correct the path",
            dockerfile.display()
        )));
    }
    Ok(build)
}

fn network_mode(node: &Node<'_>) -> Result<String, Fault> {
    let mode = node.text()?;
    if ["host", "none", "bridge"].contains(&mode.as_str()) || mode.starts_with("container:") {
        return Ok(mode);
    }
    Err(node.fault(format!("{mode:?} is not supported; use host, none, bridge or container:NAME")))
}

fn restart(node: &Node<'_>) -> Result<String, Fault> {
    // YAML reads a bare `no` of old files as false.
    let policy = if *node.value == Value::Bool(false) { "no".to_owned() } else { node.text()? };
    let times = policy.strip_prefix("on-failure:").map(str::parse::<u32>);
    if ["no", "always", "unless-stopped", "on-failure"].contains(&policy.as_str())
        || matches!(times, Some(Ok(_)))
    {
        return Ok(policy);
    }
    Err(node
        .fault(format!("{policy:?} is not supported; use no, always, unless-stopped or on-failure[:times]")))
}

fn healthcheck(node: &Node<'_>) -> Result<Healthcheck, Fault> {
    let mut table = node.table()?;
    let test = table.read("test", |node| match node.value {
        Value::String(command) => Ok(vec!["CMD-SHELL".to_owned(), command.clone()]),
        _ => match node.texts()? {
            words
                if words
                    .first()
                    .is_some_and(|word| ["NONE", "CMD", "CMD-SHELL"].contains(&word.as_str())) =>
            {
                Ok(words)
            }
            _ => Err(node.fault("begins with neither NONE, CMD nor CMD-SHELL")),
        },
    })?;
    let disabled = table.read("disable", Node::flag)?.unwrap_or(false);
    let check = Healthcheck {
        test: if disabled { vec!["NONE".to_owned()] } else { test.unwrap_or_default() },
        interval: table.read("interval", Node::duration)?,
        timeout: table.read("timeout", Node::duration)?,
        start_period: table.read("start_period", Node::duration)?,
        retries: table.read("retries", Node::number)?,
    };
    table.finish("test, interval, timeout, retries, start_period, disable")?;
    Ok(check)
}

fn depends_on(node: &Node<'_>) -> Result<BTreeMap<String, Condition>, Fault> {
    if node.value.is_array() {
        return Ok(node.texts()?.into_iter().map(|name| (name, Condition::Started)).collect());
    }
    let mut conditions = BTreeMap::new();
    for (name, node) in node.entries()? {
        let mut table = node.table()?;
        let condition = table.read("condition", |node| match node.text()?.as_str() {
            "service_started" => Ok(Condition::Started),
            "service_healthy" => Ok(Condition::Healthy),
            "service_completed_successfully" => Ok(Condition::Completed),
            other => Err(node.fault(format!(
                "{other:?} is not supported; use service_started, service_healthy or service_completed_successfully"
            ))),
        })?;
        table.finish("condition")?;
        conditions.insert(name, condition.unwrap_or(Condition::Started));
    }
    Ok(conditions)
}
