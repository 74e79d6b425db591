//! `hub.restart`: restarts the containers of one service, or of all, and waits until they are well.
//! Builds nothing: a changed description is taken up by a start.

use bollard::query_parameters::RestartContainerOptions;
use serde_json::{Map, Value, json};

use super::compose::Condition;
use super::engine::{id_of, service_of};
use super::fault::failed;
use super::{Work, containers_of, project_name, stopped, wait};
use crate::worker::handler::JobError;

pub(super) async fn run(work: &Work<'_>) -> Result<Value, JobError> {
    tokio::select! {
        ended = restart(work) => ended,
        reason = work.context.stopped() => Err(stopped(reason)),
    }
}

async fn restart(work: &Work<'_>) -> Result<Value, JobError> {
    let name = project_name(work)?;
    work.signs.running(30.0, "Looking for containers...").await;
    // The newest come first; those that others wait for are the oldest.
    let containers: Vec<_> = containers_of(work, &name).await?.into_iter().rev().collect();
    for container in &containers {
        let service = service_of(container);
        work.signs.running(80.0, &format!("Restarting {service}...")).await;
        let restarted =
            work.engine.restart_container(id_of(container), None::<RestartContainerOptions>).await;
        restarted.map_err(|error| failed(&format!("restarting {service}"), &error))?;
    }
    let mut services = Map::new();
    for container in &containers {
        let how = wait::until(work, service_of(container), id_of(container), Condition::Started).await?;
        services.insert(service_of(container).to_owned(), how);
    }
    Ok(json!({ "status": "running", "project": name, "services": services }))
}
