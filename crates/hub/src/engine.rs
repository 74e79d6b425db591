//! The connection to the Docker engine. Must never use a newer version of its API than the engine
//! supports.

use std::collections::HashMap;
use std::ops::Deref;
use std::time::Duration;

use bollard::models::ContainerSummary;
use bollard::query_parameters::{ListContainersOptionsBuilder, ListNetworksOptionsBuilder};
use bollard::{API_DEFAULT_VERSION, Docker};

use super::engine_error::failed;
use tidemill::JobError;

/// The labels by which compose, and so the hub, identifies the objects of a project.
pub(super) const PROJECT: &str = "com.docker.compose.project";
pub(super) const SERVICE: &str = "com.docker.compose.service";
/// Its file, as compose writes it as well.
pub(super) const FILE: &str = "com.docker.compose.project.config_files";
/// Its number among several containers of a service.
pub(super) const NUMBER: &str = "com.docker.compose.container-number";
/// The project's name in the config.
pub(super) const OWN: &str = "tidemill.project";
/// Whether it is a one-off container, not part of the services.
pub(super) const ONCE: &str = "com.docker.compose.oneoff";

/// How long the engine may take to start an answer; for a build, after it has the whole context.
const ANSWER_WITHIN_SECONDS: u64 = 10 * 60;
/// How long a sign of life may take.
const SIGN_WITHIN: Duration = Duration::from_secs(10);

/// A Docker engine.
#[derive(Clone)]
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

    /// The containers of a project's services, the newest first; only those of one service if it is named.
    pub(super) async fn containers(
        &self,
        project: &str,
        service: Option<&str>,
    ) -> Result<Vec<ContainerSummary>, JobError> {
        let service = service.map(|service| (SERVICE, service));
        self.labelled(&[(PROJECT, project)].into_iter().chain(service).collect::<Vec<_>>()).await
    }

    /// All containers of services with these labels, the newest first.
    pub(super) async fn labelled(&self, labels: &[(&str, &str)]) -> Result<Vec<ContainerSummary>, JobError> {
        let labels = labels.iter().map(|(label, value)| format!("{label}={value}")).collect();
        let filters = HashMap::from([("label".to_owned(), labels)]);
        let options = ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
        let listed = self.0.list_containers(Some(options)).await;
        let mut containers = listed.map_err(|error| failed("listing the containers", &error))?;
        containers.retain(|container| label(container, ONCE) != Some("True"));
        Ok(containers)
    }

    /// The ids of a project's networks.
    pub(super) async fn networks(&self, project: &str) -> Result<Vec<String>, JobError> {
        let filters = HashMap::from([("label".to_owned(), vec![format!("{PROJECT}={project}")])]);
        let options = ListNetworksOptionsBuilder::new().filters(&filters).build();
        let found = self.0.list_networks(Some(options)).await;
        let found = found.map_err(|error| failed("listing the networks", &error))?;
        Ok(found.into_iter().filter_map(|network| network.id).collect())
    }
}

/// The id of a container.
pub(super) fn id_of(container: &ContainerSummary) -> &str {
    container.id.as_deref().unwrap_or_default()
}

/// The value of a label of a container.
pub(super) fn label<'a>(container: &'a ContainerSummary, name: &str) -> Option<&'a str> {
    container.labels.as_ref().and_then(|labels| labels.get(name)).map(String::as_str)
}

/// The name of a container in results: its service, followed by a number if it is not the first.
pub(super) fn called(container: &ContainerSummary) -> String {
    let service = label(container, SERVICE).unwrap_or_default();
    match label(container, NUMBER) {
        None | Some("1") => service.to_owned(),
        Some(number) => format!("{service}-{number}"),
    }
}
