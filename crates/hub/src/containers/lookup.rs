//! Finds the containers of a job's project. Needs no readable description: if it is lost or broken,
//! labels identify the containers. Must never take a container of another project.

use std::collections::BTreeSet;

use bollard::models::ContainerSummary;

use crate::compose::{self, Project};
use crate::engine::{FILE, OWN, PROJECT, SERVICE, id_of, label};
use crate::spec::ProjectSource;
use crate::work::Work;
use tidemill::JobError;

/// Containers of a project, the newest first.
pub(crate) struct ProjectContainers {
    /// The project's name in the engine.
    pub(crate) name: String,
    pub(crate) containers: Vec<ContainerSummary>,
}

/// All containers of the project.
pub(crate) async fn all(work: &Work<'_>) -> Result<ProjectContainers, JobError> {
    let bad = match compose::name_of(&work.args.project, work.spec) {
        Ok(name) => {
            let containers = work.engine.containers(&name, None).await?;
            own(work, &name, &containers)?;
            return Ok(ProjectContainers { name, containers });
        }
        Err(bad) => bad,
    };
    let ProjectSource::File(file) = &work.spec.source else { return Err(bad) };
    let file = file.display().to_string();
    let mut containers = work.engine.labelled(&[(FILE, &file)]).await?;
    containers.retain(|container| is_own(work, container));
    let names: BTreeSet<_> = containers.iter().filter_map(|container| label(container, PROJECT)).collect();
    let name = match names.iter().collect::<Vec<_>>()[..] {
        [name] => (*name).to_owned(),
        [] => return Err(bad),
        _ => {
            let names: Vec<_> = names.into_iter().collect();
            return Err(JobError::permanent(format!(
                "{bad}; and its containers belong to several projects: {}. Correct the file, or act on one \
                 project with docker compose --project-name NAME.",
                names.join(", ")
            ))
            .class("bad_compose"));
        }
    };
    work.context
        .log(&format!("{bad}; using the labels of its containers, which name the project {name}"))
        .await;
    Ok(ProjectContainers { name, containers })
}

/// Refuses a name that is or will be that of another project in the engine: each would undo the other.
pub(crate) async fn none_of_another(work: &Work<'_>, name: &str) -> Result<(), JobError> {
    let others = work.projects.iter().filter(|(id, _)| **id != work.args.project);
    for (id, spec) in others {
        if compose::name_of(id, spec).is_ok_and(|other| other == name) {
            return Err(taken(work, name, id));
        }
    }
    own(work, name, &work.engine.containers(name, None).await?)
}

/// A log line about containers of services that the project no longer has: a start touches only present
/// services.
pub(crate) async fn left(work: &Work<'_>, project: &Project) -> Result<Option<String>, JobError> {
    let containers = work.engine.containers(&project.name, None).await?;
    let is_left = |container: &&ContainerSummary| {
        label(container, SERVICE).is_some_and(|service| !project.described.contains(service))
    };
    let name = |container: &ContainerSummary| {
        let name =
            container.names.iter().flatten().next().map(|name| name.trim_start_matches('/').to_owned());
        name.unwrap_or_else(|| id_of(container).to_owned())
    };
    let names: Vec<_> = containers.iter().filter(is_left).map(name).collect();
    Ok((!names.is_empty()).then(|| {
        format!(
            "the project {} no longer describes the services of these containers, which stay as they are: \
             {}. Remove them with docker rm --force {}, or describe their services again.",
            project.name,
            names.join(", "),
            names.join(" ")
        )
    }))
}

/// Refuses containers that were started as another project.
fn own(work: &Work<'_>, name: &str, containers: &[ContainerSummary]) -> Result<(), JobError> {
    let mut ids = containers.iter().filter_map(|container| label(container, OWN));
    ids.find(|id| *id != work.args.project).map_or(Ok(()), |other| Err(taken(work, name, other)))
}

fn taken(work: &Work<'_>, name: &str, other: &str) -> JobError {
    JobError::permanent(format!(
        "the engine's project {name} is that of hub.projects.{other}, and so cannot be that of \
         hub.projects.{} as well. Give one          of them another name, at the top of its file or in the \
         config; or, if {other} no longer exists, remove what is left of it with          docker compose \
         --project-name {name} down.",
        work.args.project
    ))
    .class("name_taken")
}

/// Whether the file was started as this project: its label says so, or no other project has the file.
fn is_own(work: &Work<'_>, container: &ContainerSummary) -> bool {
    let has_file = |spec: &&crate::spec::ProjectSpec| match (&spec.source, &work.spec.source) {
        (ProjectSource::File(one), ProjectSource::File(other)) => one == other,
        _ => false,
    };
    match label(container, OWN) {
        Some(id) => id == work.args.project,
        None => work.projects.values().filter(has_file).count() == 1,
    }
}

/// The containers that the job names, all if it names no service; at least one.
pub(crate) async fn some(work: &Work<'_>) -> Result<ProjectContainers, JobError> {
    let ProjectContainers { name, containers } = all(work).await?;
    let service = |container: &ContainerSummary| label(container, SERVICE).unwrap_or_default().to_owned();
    let names: BTreeSet<String> = containers.iter().map(service).collect();
    if names.is_empty() {
        let message = format!("the project {name} has no containers; start it first");
        return Err(JobError::permanent(message).class("no_container"));
    }
    let Some(wanted) = &work.args.service_name else { return Ok(ProjectContainers { name, containers }) };
    if names.contains(wanted) {
        let containers = containers.into_iter().filter(|container| service(container) == *wanted).collect();
        return Ok(ProjectContainers { name, containers });
    }
    let names: Vec<_> = names.into_iter().collect();
    Err(JobError::permanent(format!(
        "the project {name} has no container of {wanted:?}; it has: {}. Name one of these, or start the \
         project if its description now has the service.",
        names.join(", ")
    ))
    .class("no_container"))
}
