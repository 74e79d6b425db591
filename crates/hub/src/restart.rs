//! `hub.restart`: restarts the containers of one service or of all services, and waits until they
//! are healthy. Builds nothing: only a start applies a changed description.

use bollard::query_parameters::RestartContainerOptions;
use serde_json::{Value, json};

use super::engine::{called, id_of};
use super::engine_error::failed;
use super::work::{Work, stopped};
use crate::containers::lookup::{self, ProjectContainers};
use crate::containers::wait;
use tidemill::JobError;

pub(super) async fn run(work: &Work<'_>) -> Result<Value, JobError> {
    work.progress.running(80.0, "Looking for containers...").await;
    let ProjectContainers { name, mut containers } = lookup::some(work).await?;
    // The newest come first; containers that others wait for are the oldest.
    containers.reverse();
    for container in &containers {
        // Never in the middle: the engine finishes a started restart, and would start a container that a
        // stop has just stopped.
        if let Some(reason) = work.context.stop_reason() {
            return Err(stopped(reason));
        }
        let service = called(container);
        work.progress.running(80.0, &format!("Restarting {service}...")).await;
        let restarted =
            work.engine.restart_container(id_of(container), None::<RestartContainerOptions>).await;
        restarted.map_err(|error| failed(&format!("restarting {service}"), &error))?;
    }
    work.progress.running(90.0, "Waiting until all services are healthy").await;
    let ids: Vec<_> =
        containers.iter().map(|container| (called(container), id_of(container).to_owned())).collect();
    let services = tokio::select! {
        services = wait::until_all(work, &ids) => services?,
        reason = work.context.stopped() => return Err(stopped(reason)),
    };
    Ok(json!({ "status": "running", "project": name, "services": services }))
}
