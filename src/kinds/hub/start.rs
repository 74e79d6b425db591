//! `hub.start`: reads the description, makes the images, starts the services in their order and waits
//! until all are well. May run again at any point: what is as it should be stays.

use serde_json::{Map, Value, json};

use super::Work;
use super::build::images;
use super::cancel::Undo;
use super::compose::{self, Condition, Project};
use super::{containers, stopped, wait};
use crate::job::attempt::StopReason;
use crate::worker::handler::JobError;

pub(super) async fn run(work: &Work<'_>) -> Result<Value, JobError> {
    let project = compose::load(&work.args.project, work.spec)?;
    let undo = Undo::new(work.engine, work.context);
    let ended = tokio::select! {
        ended = start(work, &project, &undo) => ended,
        reason = work.context.stopped() => {
            // One that is handed on is gone on with, layer by layer.
            if reason == StopReason::Cancelled {
                work.context.log("cancelled: taking away what was made").await;
                undo.now().await;
            }
            Err(stopped(reason))
        }
    };
    // What failed stays to be looked at, and for the next attempt.
    undo.keep();
    ended
}

async fn start(work: &Work<'_>, project: &Project, undo: &Undo) -> Result<Value, JobError> {
    images(work, project, undo).await?;
    work.signs.running(80.0, "Starting services...").await;
    containers::surroundings(work, project, undo).await?;
    let mut ids: Vec<(&str, String)> = Vec::new();
    for service in &project.services {
        for (name, condition) in &service.depends_on {
            let id = ids.iter().find(|(known, _)| known == name).map_or("", |(_, id)| id);
            if *condition != Condition::Started {
                work.signs.running(80.0, &format!("Waiting for {name}, for {}", service.name)).await;
                wait::until(work, name, id, *condition).await?;
            }
        }
        ids.push((&service.name, containers::up(work, project, service, undo).await?));
    }
    work.signs.running(90.0, "Waiting until all services are well").await;
    let mut services = Map::new();
    for (name, id) in &ids {
        let how = wait::until(work, name, id, Condition::Started).await?;
        services.insert((*name).to_owned(), how);
    }
    Ok(json!({ "status": "running", "project": project.name, "services": services }))
}
