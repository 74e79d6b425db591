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

/// What the hub is told by its config.
#[derive(Debug, Clone)]
pub struct HubSettings {
    /// Where the engine listens: `unix:///…` or `tcp://host:port`.
    pub engine: String,
    /// Who reads descriptions and starts what they say.
    pub compose: ComposeBy,
    /// The projects that may be touched.
    pub projects: BTreeMap<String, ProjectSpec>,
    /// The queue of its starts and restarts; stops and logs have one beside it.
    pub queue: String,
    /// How many attempts follow a failed one.
    pub retries: i32,
    /// The delay before each of them.
    pub retry_delay: Duration,
    /// After this an attempt says that it takes long.
    pub soft_timeout: Duration,
    /// After this an attempt is ended, and no other follows.
    pub hard_timeout: Duration,
    /// How often an attempt shows that the engine still answers.
    pub heartbeat: Duration,
    /// After this, and as long again each time, a build says that it goes on.
    pub still_building: Duration,
    /// How long services may take to be up and well.
    pub health_timeout: Duration,
    /// So long a container without a health check must run before it counts as well.
    pub settle: Duration,
    /// How long finished jobs stay; `None` is the deployment's retention.
    pub retain: Option<Duration>,
}

/// Who reads a project's description and starts what it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ComposeBy {
    /// The hub itself where it understands everything, else the program `docker compose` if there is one.
    Auto,
    /// Always the program.
    Program,
    /// Always the hub itself.
    Builtin,
}

/// One project.
#[derive(Debug, Clone)]
pub struct ProjectSpec {
    /// Where it is described.
    pub source: ProjectSource,
    /// Variables of its description.
    pub env: BTreeMap<String, String>,
}

/// Where a project is described.
#[derive(Debug, Clone)]
pub enum ProjectSource {
    /// In a compose file.
    File(PathBuf),
    /// In the config: what stands under `services` of a compose file, and the folder of its relative paths.
    Services(Value, PathBuf),
}

/// What is done to a project.
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

/// The input of the hub's jobs.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Args {
    project: String,
    service_name: Option<String>,
    lines: Option<u32>,
}

/// What a handler works with.
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
        // Long enough to take away what a cancelled attempt made, if the engine is not slow.
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

/// A project's name as callers may know it: a number if it is one.
fn project_id(name: &str) -> Value {
    match name.parse::<i64>() {
        Ok(number) if number.to_string() == name => number.into(),
        _ => name.into(),
    }
}

/// The end of an attempt that was asked to stop.
fn stopped(reason: StopReason) -> JobError {
    JobError::retry(format!("stopped: {reason}")).class("stopped")
}
