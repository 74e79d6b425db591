//! What an attempt made so far, taken away again when it is cancelled. Touches only what this attempt
//! made, by its id: another attempt may run already. What the program `docker compose` makes is what was not there
//! before.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bollard::Docker;
use bollard::errors::Error;
use bollard::query_parameters::{RemoveContainerOptionsBuilder, RemoveImageOptions};
use tokio::time::Instant;

use super::engine::{Engine, id_of};
use super::fault::{is_missing, is_so_already};
use super::output::BuildSteps;
use crate::job::attempt::StopReason;
use crate::worker::context::Context;
use crate::worker::handler::JobError;

/// How long layers may be held by the container of a step.
const HELD_AT_MOST: Duration = Duration::from_secs(10);

#[derive(Debug, Default)]
struct Made {
    layers: Vec<String>,
    /// Of the step that is being built.
    step: Option<String>,
    containers: Vec<String>,
    networks: Vec<String>,
    /// What the engine calls the project, and the ids of what it had before.
    before: Option<(String, BTreeSet<String>)>,
}

/// Takes away what was made unless the attempt comes to its own end.
pub(super) struct Undo {
    engine: Docker,
    context: Context,
    made: Arc<Mutex<Made>>,
}

impl Undo {
    pub(super) fn new(engine: &Docker, context: &Context) -> Self {
        Self { engine: engine.clone(), context: context.clone(), made: Arc::default() }
    }

    /// What a build made that is not whole yet; nothing once it is.
    pub(super) fn build(&self, steps: &BuildSteps) {
        self.change(|made| {
            steps.layers.clone_into(&mut made.layers);
            steps.container.clone_into(&mut made.step);
        });
    }

    pub(super) fn container(&self, id: &str) {
        self.change(|made| made.containers.push(id.to_owned()));
    }

    pub(super) fn network(&self, id: &str) {
        self.change(|made| made.networks.push(id.to_owned()));
    }

    /// From now on what the project has more than now is what this attempt made.
    pub(super) async fn watch(&self, project: &str, engine: &Engine) -> Result<(), JobError> {
        let (containers, networks) = had(engine, project).await?;
        let before = containers.into_iter().chain(networks).collect();
        self.change(|made| made.before = Some((project.to_owned(), before)));
        Ok(())
    }

    /// Looks what the project has now.
    pub(super) async fn look(&self, engine: &Engine) -> Result<(), JobError> {
        let mut project = None;
        self.change(|made| project = made.before.as_ref().map(|(project, _)| project.clone()));
        let Some(project) = project else { return Ok(()) };
        let (containers, networks) = had(engine, &project).await?;
        self.change(|made| {
            let Some((_, before)) = &made.before else { return };
            let fresh = |ids: Vec<String>| ids.into_iter().filter(|id| !before.contains(id)).collect();
            (made.containers, made.networks) = (fresh(containers), fresh(networks));
        });
        Ok(())
    }

    /// Keeps what was made.
    pub(super) fn keep(&self) {
        self.change(|made| *made = Made::default());
    }

    /// Takes away what was made.
    pub(super) async fn now(&self) {
        undo(&self.engine, self.take()).await;
    }

    fn take(&self) -> Made {
        std::mem::take(&mut *self.made.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn change(&self, change: impl FnOnce(&mut Made)) {
        change(&mut self.made.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Drop for Undo {
    /// The attempt was ended from outside: by its hard timeout, or because it did not heed a cancel. One that
    /// is handed on leaves everything for the next.
    fn drop(&mut self) {
        let made = self.take();
        let Made { layers, step, containers, networks, .. } = &made;
        let nothing = layers.is_empty() && step.is_none() && containers.is_empty() && networks.is_empty();
        let handed_on =
            matches!(self.context.stop_reason(), Some(StopReason::LeaseLost | StopReason::Shutdown));
        if let (false, false, Ok(runtime)) = (nothing, handed_on, tokio::runtime::Handle::try_current()) {
            let engine = self.engine.clone();
            runtime.spawn(async move { undo(&engine, made).await });
        }
    }
}

/// The ids of a project's containers, the oldest first, and of its networks.
async fn had(engine: &Engine, project: &str) -> Result<(Vec<String>, Vec<String>), JobError> {
    let containers = engine.containers(project, None).await?;
    let networks = engine.networks(project).await?;
    Ok((containers.iter().rev().map(|container| id_of(container).to_owned()).collect(), networks))
}

async fn undo(engine: &Docker, made: Made) {
    for id in made.step.iter().chain(made.containers.iter().rev()) {
        let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
        told("container", id, engine.remove_container(id, Some(options)).await);
    }
    for id in made.networks.iter().rev() {
        told("network", id, engine.remove_network(id).await);
    }
    let until = Instant::now() + HELD_AT_MOST;
    for id in made.layers.iter().rev() {
        told("layer", id, without_layer(engine, id, until).await);
    }
}

/// A layer is held as long as the engine takes away the container that runs on it.
async fn without_layer(engine: &Docker, id: &str, until: Instant) -> Result<(), Error> {
    loop {
        match engine.remove_image(id, None::<RemoveImageOptions>, None).await {
            Err(error) if is_so_already(&error) && Instant::now() < until => {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            removed => return removed.map(drop),
        }
    }
}

fn told<T>(what: &str, id: &str, removed: Result<T, Error>) {
    match removed {
        Err(error) if !is_missing(&error) => {
            tracing::warn!(what, id, %error, "what a cancelled start made could not be taken away");
        }
        _ => {}
    }
}
