//! The handlers of the hub's kinds: each connects to the engine and carries out its verb. Must never
//! touch a project that neither the config nor the API names.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use tidemill::extension::kinds::{Completion, DynHandler, RunFuture, unless_stopped};
use tidemill::{Backoff, Context, JobError, KindSettings};

use crate::cancel::ProjectLocks;
use crate::catalog::Projects;
use crate::engine::Engine;
use crate::kind_names::Verb;
use crate::progress_reports::ProgressReports;
use crate::project::queue_of;
use crate::settings::ComposeWay;
use crate::spec::HubSettings;
use crate::work::{Args, Work};
use crate::{catalog, logs, restart, start, stop};

/// The handler of one of the hub's kinds.
#[derive(Debug, Clone)]
pub struct HubKind {
    verb: Verb,
    settings: Arc<HubSettings>,
    project_locks: Arc<ProjectLocks>,
}

/// The hub's kinds: names, rules and handlers.
#[must_use]
pub fn kinds(settings: &Arc<HubSettings>) -> Vec<(&'static str, KindSettings, HubKind)> {
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
    let project_locks = Arc::<ProjectLocks>::default();
    let rules = |kind| KindSettings { queue: queue_of(kind, &settings.queue), ..rules.clone() };
    let kind = |verb: Verb| {
        let name = verb.own_kind();
        (
            name,
            rules(name),
            HubKind { verb, settings: settings.clone(), project_locks: project_locks.clone() },
        )
    };
    Verb::ALL.into_iter().map(kind).collect()
}

impl HubKind {
    async fn attempt(&self, context: &Context) -> Result<Completion, JobError> {
        let args = Args::deserialize(context.args()).map_err(|error| {
            JobError::permanent(format!("the args do not fit {}: {error}", context.attempt().kind))
                .class("bad_args")
        })?;
        let projects =
            catalog::all(&self.settings, context.store()?).await.map_err(|error| of_database(&error))?;
        let spec = projects.get(&args.project).ok_or_else(|| unknown(&projects, &args.project))?;
        let of_api = !self.settings.projects.contains_key(&args.project);
        if of_api
            && matches!(self.verb, Verb::Start | Verb::Restart)
            && !catalog::remember(context.store()?, &args.project, true)
                .await
                .map_err(|error| of_database(&error))?
        {
            return Err(unknown(&projects, &args.project));
        }
        let progress = ProgressReports::new(context, &self.settings);
        progress.building(10.0, "Initializing Docker client...").await;
        let engine = Engine::connect(&self.settings.engine).await?;
        let work = Work {
            context,
            settings: &self.settings,
            project_locks: &self.project_locks,
            progress: &progress,
            engine: &engine,
            args: &args,
            spec,
            projects: &projects,
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
            never = progress.keep(&engine) => match never {},
        };
        if of_api && self.verb == Verb::Stop {
            catalog::remember(context.store()?, &args.project, false)
                .await
                .map_err(|error| of_database(&error))?;
        }
        let result = json!({ "success": true, "project_id": project_id(&args.project), "result": result });
        Ok(Completion::done(result))
    }
}

fn unknown(projects: &Projects, project: &str) -> JobError {
    let known: Vec<&str> = projects.keys().map(String::as_str).filter(|known| *known != project).collect();
    JobError::permanent(format!(
        "the config of this worker has no project {project:?}; it has: {}. Add [hub.projects.{project}] to it.",
        known.join(", ")
    ))
    .class("unknown_project")
}

fn of_database(error: &tidemill::Error) -> JobError {
    JobError::retry(format!("the projects cannot be read: {error}")).class("database")
}

impl DynHandler for HubKind {
    fn run(&self, context: Context) -> RunFuture<'_> {
        Box::pin(async move {
            let ended = self.attempt(&context).await;
            // By the program docker compose, which is a process of ours; the engine is not.
            let by_program =
                |_: &JobError| self.verb == Verb::Start && self.settings.compose != ComposeWay::Builtin;
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
