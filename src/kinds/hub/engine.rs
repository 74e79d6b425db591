//! The connection to the Docker engine. Speaks no newer version of its API than it knows.

use std::collections::HashMap;
use std::ops::Deref;
use std::time::Duration;

use bollard::models::ContainerSummary;
use bollard::query_parameters::ListContainersOptionsBuilder;
use bollard::{API_DEFAULT_VERSION, Docker};

use super::fault::failed;
use crate::worker::handler::JobError;

/// The labels by which compose, and so the hub, knows what belongs to a project.
pub(super) const PROJECT: &str = "com.docker.compose.project";
pub(super) const SERVICE: &str = "com.docker.compose.service";

/// How long the engine may take to begin an answer, which for a build is after it has the whole context.
const ANSWER_WITHIN_SECONDS: u64 = 10 * 60;
/// How long a sign of life may take.
const SIGN_WITHIN: Duration = Duration::from_secs(10);

/// A Docker engine.
pub(super) struct Engine(Docker);

impl Deref for Engine {
    type Target = Docker;

    fn deref(&self) -> &Docker {
        &self.0
    }
}

impl Engine {
    /// Connects to the engine at `address`.
    pub(super) async fn connect(address: &str) -> Result<Self, JobError> {
        let doing = format!("connecting to {address}");
        let connected = if address.starts_with("unix://") {
            Docker::connect_with_unix(address, ANSWER_WITHIN_SECONDS, API_DEFAULT_VERSION)
        } else {
            Docker::connect_with_http(address, ANSWER_WITHIN_SECONDS, API_DEFAULT_VERSION)
        };
        let docker = connected.map_err(|error| failed(&doing, &error))?;
        docker.negotiate_version().await.map(Self).map_err(|error| failed(&doing, &error))
    }

    /// Whether it answers.
    pub(super) async fn lives(&self) -> bool {
        matches!(tokio::time::timeout(SIGN_WITHIN, self.0.ping()).await, Ok(Ok(_)))
    }

    /// The containers of a project, the newest first; only those of a service if one is named.
    pub(super) async fn containers(
        &self,
        project: &str,
        service: Option<&str>,
    ) -> Result<Vec<ContainerSummary>, JobError> {
        let mut labels = vec![format!("{PROJECT}={project}")];
        labels.extend(service.map(|service| format!("{SERVICE}={service}")));
        let filters = HashMap::from([("label".to_owned(), labels)]);
        let options = ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
        self.0.list_containers(Some(options)).await.map_err(|error| failed("listing the containers", &error))
    }
}

/// The id of a container.
pub(super) fn id_of(container: &ContainerSummary) -> &str {
    container.id.as_deref().unwrap_or_default()
}

/// The service that a container belongs to.
pub(super) fn service_of(container: &ContainerSummary) -> &str {
    container.labels.as_ref().and_then(|labels| labels.get(SERVICE)).map_or("", String::as_str)
}
