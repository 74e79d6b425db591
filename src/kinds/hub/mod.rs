//! The hub: projects of containers that jobs build, start, stop, restart and read logs from, on a
//! Docker engine. Must never touch a project that the config does not name, or objects without its
//! label.

mod anew;
mod build;
mod build_context;
mod by_program;
mod cancel;
mod compose;
mod containers;
mod dockerfile;
mod engine;
mod fault;
mod found;
mod logs;
mod output;
mod program;
mod restart;
mod signs;
mod start;
mod stop;
mod wait;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use self::cancel::Turns;
use self::engine::Engine;
use self::signs::Signs;
use crate::job::attempt::StopReason;
use crate::job::project::queue_of;
use crate::job::settings::{Backoff, KindSettings};
use crate::kinds::together::unless_stopped;
use crate::worker::context::Context;
use crate::worker::handler::{Completion, DynHandler, JobError, RunFuture};

/// The settings of the hub.
#[derive(Debug, Clone)]
pub struct HubSettings {
    /// The address of the engine: `unix:///…` or `tcp://host:port`.
    pub engine: String,
    /// The implementation that reads descriptions and starts projects.
    pub compose: ComposeBy,
    /// The projects that may be touched.
    pub projects: BTreeMap<String, ProjectSpec>,
    /// The queue of its starts and restarts; stops and logs have a second queue.
    pub queue: String,
    /// How many times a failed attempt is retried.
    pub retries: i32,
    /// The delay before each retry.
    pub retry_delay: Duration,
    /// The time after which an attempt reports that it takes long.
    pub soft_timeout: Duration,
    /// The time after which an attempt is ended, without a retry.
    pub hard_timeout: Duration,
    /// How often an attempt reports that the engine still answers.
    pub heartbeat: Duration,
    /// The interval at which a build reports that it is still running.
    pub still_building: Duration,
    /// How long services may take to become healthy.
    pub health_timeout: Duration,
    /// How long a container without a health check must run to count as healthy.
    pub settle: Duration,
    /// How long finished jobs are kept; `None` is the deployment's retention.
    pub retain: Option<Duration>,
}

/// The implementation that reads a project's description and starts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ComposeBy {
    /// The hub itself if it supports everything, otherwise the program `docker compose` if there is one.
    Auto,
    /// Always the program.
    Program,
    /// Always the hub itself.
    Builtin,
}

/// One project.
#[derive(Debug, Clone)]
pub struct ProjectSpec {
    /// Its description.
    pub source: ProjectSource,
    /// Variables of its description.
    pub env: BTreeMap<String, String>,
}

/// The source of a project's description.
#[derive(Debug, Clone)]
pub enum ProjectSource {
    /// In a compose file.
    File(PathBuf),
    /// In the config: the content of `services` of a compose file, and the folder of its relative paths.
    Services(Value, PathBuf),
}

/// The action on a project.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verb {
    Start,
    Stop,
    Restart,
    Logs,
}

/// The handler of one of the hub's kinds.
#[derive(Debug, Clone)]
pub struct HubKind {
    verb: Verb,
    settings: Arc<HubSettings>,
    turns: Arc<Turns>,
}

/// The args of the hub's jobs.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Args {
    project: String,
    service_name: Option<String>,
    lines: Option<u32>,
}

/// The dependencies of a handler.
struct Work<'a> {
    context: &'a Context,
    settings: &'a HubSettings,
    turns: &'a Turns,
    signs: &'a Signs,
    engine: &'a Engine,
    args: &'a Args,
    spec: &'a ProjectSpec,
}

/// The hub's kinds: names, rules and handlers.
#[must_use]
pub fn kinds(settings: HubSettings) -> Vec<(&'static str, KindSettings, HubKind)> {
    let rules = KindSettings {
        max_attempts: settings.retries.saturating_add(1),
        hard_timeout: settings.hard_timeout,
        // Long enough for the rollback of a cancelled attempt, if the engine is not slow.
        stop_grace: Duration::from_mins(1),
        backoff: Backoff { first: settings.retry_delay, factor: 1.0, max: settings.retry_delay, jitter: 0.0 },
        retain: settings.retain,
        permanent_errors: vec!["timeout".into()],
        ..KindSettings::default()
    };
    let (settings, turns) = (Arc::new(settings), Arc::<Turns>::default());
    let rules = |kind| KindSettings { queue: queue_of(kind, &settings.queue), ..rules.clone() };
    let verbs = [
        ("hub.start", Verb::Start),
        ("hub.stop", Verb::Stop),
        ("hub.restart", Verb::Restart),
        ("hub.logs", Verb::Logs),
    ];
    let kind = |(name, verb)| {
        (name, rules(name), HubKind { verb, settings: settings.clone(), turns: turns.clone() })
    };
    verbs.into_iter().map(kind).collect()
}

impl HubKind {
    async fn attempt(&self, context: &Context) -> Result<Completion, JobError> {
        let args = Args::deserialize(context.args()).map_err(|error| {
            JobError::permanent(format!("the args do not fit {}: {error}", context.attempt().kind))
                .class("bad_args")
        })?;
        let spec = self.settings.projects.get(&args.project).ok_or_else(|| self.unknown(&args.project))?;
        let signs = Signs::new(context, &self.settings);
        signs.building(10.0, "Initializing Docker client...").await;
        let engine = Engine::connect(&self.settings.engine).await?;
        let work = Work {
            context,
            settings: &self.settings,
            turns: &self.turns,
            signs: &signs,
            engine: &engine,
            args: &args,
            spec,
        };
        let done = async {
            match self.verb {
                Verb::Start => start::run(&work).await,
                Verb::Stop => stop::run(&work).await,
                Verb::Restart => restart::run(&work).await,
                Verb::Logs => logs::run(&work).await,
            }
        };
        let result = tokio::select! {
            done = done => done?,
            never = signs.keep(&engine) => match never {},
        };
        let result = json!({ "success": true, "project_id": project_id(&args.project), "result": result });
        Ok(Completion::done(result))
    }

    fn unknown(&self, project: &str) -> JobError {
        let known: Vec<&str> = self.settings.projects.keys().map(String::as_str).collect();
        JobError::permanent(format!(
            "the config of this worker has no project {project:?}; it has: {}. Add [hub.projects.{project}] to it.",
            known.join(", ")
        ))
        .class("unknown_project")
    }
}

impl DynHandler for HubKind {
    fn run(&self, context: Context) -> RunFuture<'_> {
        Box::pin(async move {
            let ended = self.attempt(&context).await;
            // By the program docker compose, which is a process of ours; the engine is not.
            let by_program =
                |_: &JobError| self.verb == Verb::Start && self.settings.compose != ComposeBy::Builtin;
            unless_stopped(&context, ended, by_program).await
        })
    }
}

/// A project's name in the type that callers use: a number if it is one.
fn project_id(name: &str) -> Value {
    match name.parse::<i64>() {
        Ok(number) if number.to_string() == name => number.into(),
        _ => name.into(),
    }
}

/// The outcome of an attempt after a stop request.
fn stopped(reason: StopReason) -> JobError {
    JobError::retry(format!("stopped: {reason}")).class("stopped")
}
