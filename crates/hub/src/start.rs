//! `hub.start`: reads the description, builds the images, starts the services in order and waits
//! until all are healthy; with the program `docker compose` if the description needs it. Can run
//! again at any point: whatever already matches the description is kept.

use serde_json::{Value, json};

use super::cancel::{Rollback, UnlessEnded};
use super::compose::{self, Condition, Project};
use super::work::{Work, stopped};
use crate::containers::{self, lookup, wait};
use crate::images::{images, needs_buildkit};
use crate::program::{self, NEEDS_PROGRAM};
use crate::settings::ComposeWay;
use tidemill::{JobError, StopReason};

pub(super) async fn run(work: &Work<'_>) -> Result<Value, JobError> {
    let lock = tokio::select! {
        lock = work.project_locks.lock(&work.args.project) => lock,
        reason = work.context.stopped() => return Err(stopped(reason)),
    };
    let rollback = Rollback::new(work.engine, lock);
    let unless_ended = UnlessEnded::new(&rollback, work.context);
    let start = async {
        match way(work).await? {
            Way::Itself(project) => start(work, &project, &rollback).await,
            Way::Program(words) => program::start(work, words, &rollback).await,
        }
    };
    let ended = tokio::select! {
        ended = start => ended,
        reason = work.context.stopped() => {
            // A handed-back build is continued, layer by layer.
            if reason == StopReason::Cancelled {
                work.context.log("cancelled: removing what was created").await;
                rollback.now().await;
            }
            Err(stopped(reason))
        }
    };
    // A failed container stays for inspection and for the next attempt.
    unless_ended.ended();
    ended
}

/// The implementation that builds and starts.
enum Way {
    Itself(Box<Project>),
    Program(&'static [&'static str]),
}

/// The hub itself if it supports the whole description, otherwise the program, as far as the config allows.
async fn way(work: &Work<'_>) -> Result<Way, JobError> {
    if work.settings.compose == ComposeWay::Program {
        let message = "the program docker compose is not on the worker's machine; install it, or set hub.compose = \"auto\"";
        return program::find()
            .await
            .map(Way::Program)
            .ok_or_else(|| JobError::permanent(message).class("no_program"));
    }
    let loaded = compose::load(&work.args.project, work.spec);
    let why = match &loaded {
        Ok(project) => {
            let mut builds = project.services.iter().filter_map(|service| service.build.as_ref());
            let Some(step) = builds.find_map(needs_buildkit) else { return itself(loaded) };
            format!("{step:?} is for BuildKit")
        }
        Err(bad) => bad.to_string(),
    };
    // A description that cannot be read, or is not YAML, does not help the program either.
    compose::name_of(&work.args.project, work.spec)?;
    let program = if work.settings.compose == ComposeWay::Auto { program::find().await } else { None };
    let Some(words) = program else {
        let hinted = |bad| JobError::permanent(format!("{bad} Or {NEEDS_PROGRAM}.")).class("bad_compose");
        return itself(loaded.map_err(hinted));
    };
    work.context.log(&format!("{why}: {} starts it", words.join(" "))).await;
    Ok(Way::Program(words))
}

fn itself(loaded: Result<Project, JobError>) -> Result<Way, JobError> {
    loaded.map(|project| Way::Itself(Box::new(project)))
}

async fn start(work: &Work<'_>, project: &Project, rollback: &Rollback) -> Result<Value, JobError> {
    lookup::none_of_another(work, &project.name).await?;
    for service in &project.services {
        let of_build = service.build.iter().flat_map(|build| &build.notes);
        for note in service.extras.notes.iter().chain(of_build) {
            work.context.log(note).await;
        }
    }
    if let Some(left) = lookup::left(work, project).await? {
        work.context.log(&left).await;
    }
    images(work, project, rollback).await?;
    work.progress.running(80.0, "Starting services...").await;
    containers::networks_and_volumes(work, project, rollback).await?;
    let mut ids: Vec<(String, String)> = Vec::new();
    for service in &project.services {
        for (name, condition) in &service.depends_on {
            let id = ids.iter().find(|(known, _)| known == name).map_or("", |(_, id)| id);
            if *condition != Condition::Started {
                work.progress.running(80.0, &format!("Waiting for {name}, for {}", service.name)).await;
                wait::until(work, name, id, *condition).await?;
            }
        }
        ids.push((service.name.clone(), containers::up(work, project, service, rollback).await?));
    }
    work.progress.running(90.0, "Waiting until all services are healthy").await;
    let services = wait::until_all(work, &ids).await?;
    Ok(json!({ "status": "running", "project": project.name, "services": services }))
}
