//! What an attempt made so far, taken away again when it is cancelled. Touches only what this attempt
//! made, by its id: another attempt may run already.

use std::sync::{Arc, Mutex, PoisonError};

use bollard::Docker;
use bollard::query_parameters::{RemoveContainerOptionsBuilder, RemoveImageOptions};

use super::fault::is_missing;
use crate::job::attempt::StopReason;
use crate::worker::context::Context;

#[derive(Debug, Default)]
struct Made {
    layers: Vec<String>,
    containers: Vec<String>,
    networks: Vec<String>,
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

    /// The layers of an image that is not whole yet; none once it is.
    pub(super) fn layers(&self, layers: &[String]) {
        self.change(|made| layers.clone_into(&mut made.layers));
    }

    pub(super) fn container(&self, id: &str) {
        self.change(|made| made.containers.push(id.to_owned()));
    }

    pub(super) fn network(&self, id: &str) {
        self.change(|made| made.networks.push(id.to_owned()));
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
        let nothing = made.layers.is_empty() && made.containers.is_empty() && made.networks.is_empty();
        let handed_on =
            matches!(self.context.stop_reason(), Some(StopReason::LeaseLost | StopReason::Shutdown));
        if let (false, false, Ok(runtime)) = (nothing, handed_on, tokio::runtime::Handle::try_current()) {
            let engine = self.engine.clone();
            runtime.spawn(async move { undo(&engine, made).await });
        }
    }
}

async fn undo(engine: &Docker, made: Made) {
    for id in made.containers.iter().rev() {
        let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
        told("container", id, engine.remove_container(id, Some(options)).await);
    }
    for id in made.networks.iter().rev() {
        told("network", id, engine.remove_network(id).await);
    }
    for id in made.layers.iter().rev() {
        told("layer", id, engine.remove_image(id, None::<RemoveImageOptions>, None).await);
    }
}

fn told<T>(what: &str, id: &str, removed: Result<T, bollard::errors::Error>) {
    match removed {
        Err(error) if !is_missing(&error) => {
            tracing::warn!(what, id, %error, "what a cancelled start made could not be taken away");
        }
        _ => {}
    }
}
