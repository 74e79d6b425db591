//! `hub.stop`: stops all containers of a project, the last started first. Needs no readable compose
//! file: it stops all containers with the project's labels.

use bollard::models::ContainerSummaryStateEnum;
use bollard::query_parameters::StopContainerOptions;
use serde_json::{Map, Value, json};

use super::engine::{called, id_of};
use super::engine_error::{failed, is_missing, is_so_already};
use super::work::{Work, stopped};
use crate::containers::lookup::{self, ProjectContainers};
use tidemill::JobError;

pub(super) async fn run(work: &Work<'_>) -> Result<Value, JobError> {
    tokio::select! {
        ended = stop(work) => ended,
        reason = work.context.stopped() => Err(stopped(reason)),
    }
}

async fn stop(work: &Work<'_>) -> Result<Value, JobError> {
    work.progress.running(80.0, "Looking for containers...").await;
    let ProjectContainers { name, containers } = lookup::all(work).await?;
    let all = u32::try_from(containers.len()).unwrap_or(u32::MAX);
    let mut services = Map::new();
    for (at, container) in (0_u32..).zip(&containers) {
        let service = called(container);
        let percent = 80.0 + 20.0 * f64::from(at) / f64::from(all);
        work.progress.running(percent, &format!("Stopping {service}...")).await;
        let was = container.state.unwrap_or(ContainerSummaryStateEnum::EMPTY);
        // No time is given: each container has its own, from its description.
        match work.engine.stop_container(id_of(container), None::<StopContainerOptions>).await {
            Err(error) if !is_missing(&error) && !is_so_already(&error) => {
                return Err(failed(&format!("stopping {service}"), &error));
            }
            _ => {}
        }
        let what = json!({ "container_id": id_of(container), "was": was.to_string(), "status": "exited" });
        services.insert(service, what);
    }
    Ok(json!({ "status": "stopped", "project": name, "services": services }))
}
