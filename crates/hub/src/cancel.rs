//! The rollback of a cancelled attempt. Must touch only objects that this attempt created or
//! started, by their ids, because another attempt may already be running. Objects created by the
//! program `docker compose` are those that did not exist before.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bollard::Docker;
use bollard::errors::Error;
use bollard::models::{
    ContainerCreateBody, ContainerSummary, ContainerSummaryStateEnum, NetworkCreateRequest,
};
use bollard::query_parameters::{
    CreateContainerOptions, RemoveContainerOptionsBuilder, RemoveImageOptions, StartContainerOptions,
    StopContainerOptions,
};
use tokio::runtime::Handle;
use tokio::sync::{OwnedMutexGuard, RwLock};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::engine::{Engine, called, id_of};
use super::engine_error::{is_missing, is_so_already};
use super::output::BuildSteps;
use crate::containers::removal;
use tidemill::{Context, JobError, StopReason};

/// How long the container of a step may keep layers in use.
const LAYERS_IN_USE_FOR: Duration = Duration::from_secs(10);
/// The engine may still be doing what the program asked for just before its end.
const CHECKS: usize = 2;

/// Serialises the starts of a project, because the rollback of one may outlive its job.
#[derive(Debug, Default)]
pub(super) struct ProjectLocks(Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>);

impl ProjectLocks {
    /// Waits for earlier starts of this project.
    pub(super) async fn lock(&self, project: &str) -> OwnedMutexGuard<()> {
        let lock = locked(&self.0).entry(project.to_owned()).or_default().clone();
        lock.lock_owned().await
    }
}

#[derive(Debug, Default)]
struct Made {
    layers: Vec<String>,
    /// The container of the present build step.
    step: Option<String>,
    containers: Vec<String>,
    networks: Vec<String>,
    /// Containers that are only to be stopped: existing ones that were not running, and replacements of
    /// others, whose volumes they have.
    started: Vec<String>,
    before: Option<Before>,
}

impl Made {
    /// A container of this attempt that is no longer to be removed.
    fn keep(&mut self, id: String) {
        if let Some(at) = self.containers.iter().position(|made| *made == id) {
            self.containers.remove(at);
            self.started.push(id);
        }
    }
}

/// The state of a project before the program started.
#[derive(Debug, Clone)]
struct Before {
    /// Its name in the engine.
    project: String,
    ids: BTreeSet<String>,
    /// Its containers, with their names in results.
    called: BTreeSet<String>,
    /// Its running containers.
    running: BTreeSet<String>,
}

/// The objects that an attempt created, and their rollback.
#[derive(Clone)]
pub(super) struct Rollback {
    engine: Engine,
    made: Arc<Mutex<Made>>,
    /// Locked while the engine creates an object, because only its answer contains the id.
    making: Arc<RwLock<()>>,
    /// Kept until everything is removed.
    _lock: Arc<OwnedMutexGuard<()>>,
}

impl Rollback {
    pub(super) fn new(engine: &Engine, lock: OwnedMutexGuard<()>) -> Self {
        let (made, making) = (Arc::default(), Arc::default());
        Self { engine: engine.clone(), made, making, _lock: Arc::new(lock) }
    }

    /// The layers of an unfinished build; empty once it is finished.
    pub(super) fn build(&self, steps: &BuildSteps) {
        let mut made = locked(&self.made);
        steps.layers.clone_into(&mut made.layers);
        steps.container.clone_into(&mut made.step);
    }

    /// Creates a container; returns its id.
    pub(super) async fn container(
        &self,
        options: CreateContainerOptions,
        request: ContainerCreateBody,
    ) -> Result<String, Error> {
        let engine = self.engine.clone();
        // Its content is large.
        let call =
            Box::pin(
                async move { engine.create_container(Some(options), request).await.map(|made| made.id) },
            );
        self.whole(call, |made, id| made.containers.push(id)).await
    }

    /// Makes a network.
    pub(super) async fn network(&self, request: NetworkCreateRequest) -> Result<(), Error> {
        let engine = self.engine.clone();
        let call = async move { engine.create_network(request).await.map(|made| made.id) };
        self.whole(call, |made, id| made.networks.push(id)).await.map(drop)
    }

    /// Starts an existing container.
    pub(super) async fn start(&self, id: &str) -> Result<(), Error> {
        let (engine, id) = (self.engine.clone(), id.to_owned());
        let call =
            async move { engine.start_container(&id, None::<StartContainerOptions>).await.map(|()| id) };
        self.whole(call, |made, id| made.started.push(id)).await.map(drop)
    }

    /// Removes the stopped old container of a service. From then on only the new one exists.
    pub(super) async fn replace(&self, old: &str, new: &str) -> Result<(), Error> {
        let (engine, old, new) = (self.engine.clone(), old.to_owned(), new.to_owned());
        let call = async move { removal::take_away(&engine, &old).await.map(|()| new) };
        self.whole(call, Made::keep).await.map(drop)
    }

    /// Waits for the engine; its answer is recorded even if the caller is cancelled meanwhile.
    async fn whole(
        &self,
        call: impl Future<Output = Result<String, Error>> + Send + 'static,
        note: impl FnOnce(&mut Made, String) + Send + 'static,
    ) -> Result<String, Error> {
        let made = self.made.clone();
        let making = self.making.clone().read_owned().await;
        let whole = tokio::spawn(async move {
            let _until_it_is_noted = making;
            let id = call.await?;
            note(&mut locked(&made), id.clone());
            Ok(id)
        });
        whole.await.unwrap_or_else(|panic| Err(std::io::Error::other(panic).into()))
    }

    /// From now on every additional object of the project counts as created by this attempt.
    pub(super) async fn watch(&self, project: &str) -> Result<(), JobError> {
        let (containers, networks) = had(&self.engine, project).await?;
        let ids = ids(&containers).chain(networks).collect();
        let running = ids_of_running(&containers).collect();
        let called = containers.iter().map(called).collect();
        locked(&self.made).before = Some(Before { project: project.to_owned(), ids, called, running });
        Ok(())
    }

    /// Reads the present objects of a watched project.
    async fn find_new(&self) -> Result<(), JobError> {
        let before = locked(&self.made).before.clone();
        let Some(before) = before else { return Ok(()) };
        let (containers, networks) = had(&self.engine, &before.project).await?;
        let is_fresh = |id: &String| !before.ids.contains(id);
        // The old one may be removed already, or soon: the program removes it at the end.
        let is_kept = |container: &ContainerSummary| before.called.contains(&called(container));
        let (kept, others): (Vec<_>, Vec<_>) = containers.into_iter().partition(is_kept);
        let mut made = locked(&self.made);
        made.containers = ids(&others).filter(is_fresh).collect();
        made.networks = networks.into_iter().filter(is_fresh).collect();
        made.started = ids_of_running(&kept).filter(|id| !before.running.contains(id)).collect();
        Ok(())
    }

    /// Rolls back; continues even if the caller is cancelled.
    pub(super) async fn now(&self) {
        if let Some(begun) = self.begin() {
            let _ = begun.await;
        }
    }

    /// Starts the rollback in a task that outlives the attempt.
    fn begin(&self) -> Option<JoinHandle<()>> {
        let rollback = self.clone();
        let runtime = Handle::try_current().ok()?;
        Some(runtime.spawn(async move {
            let _nothing_more_is_made = rollback.making.write().await;
            for _ in 0..CHECKS {
                if let Err(error) = rollback.find_new().await {
                    tracing::warn!(%error, "cannot list what a cancelled start created");
                }
                let before = locked(&rollback.made).before.clone();
                let made =
                    std::mem::replace(&mut *locked(&rollback.made), Made { before, ..Made::default() });
                take_away(&rollback.engine, &made).await;
            }
        }))
    }
}

/// Rolls back if the attempt is ended from outside: by its hard timeout, or because it did not obey a
/// cancel.
pub(super) struct UnlessEnded {
    rollback: Rollback,
    context: Context,
    ended: bool,
}

impl UnlessEnded {
    pub(super) fn new(rollback: &Rollback, context: &Context) -> Self {
        Self { rollback: rollback.clone(), context: context.clone(), ended: false }
    }

    /// The attempt ended by itself.
    pub(super) fn ended(mut self) {
        self.ended = true;
    }
}

impl Drop for UnlessEnded {
    /// An attempt that is handed back leaves everything for the next one.
    fn drop(&mut self) {
        let handed_on =
            matches!(self.context.stop_reason(), Some(StopReason::LeaseLost | StopReason::Shutdown));
        if !self.ended && !handed_on {
            drop(self.rollback.begin());
        }
    }
}

/// A project's containers, the oldest first, and the ids of its networks.
async fn had(engine: &Engine, project: &str) -> Result<(Vec<ContainerSummary>, Vec<String>), JobError> {
    let mut containers = engine.containers(project, None).await?;
    containers.reverse();
    Ok((containers, engine.networks(project).await?))
}

fn ids(containers: &[ContainerSummary]) -> impl Iterator<Item = String> {
    containers.iter().map(|container| id_of(container).to_owned())
}

fn ids_of_running(containers: &[ContainerSummary]) -> impl Iterator<Item = String> {
    let running = containers.iter().filter(|container| runs(container));
    running.map(|container| id_of(container).to_owned())
}

/// True if it is running or restarting.
pub(super) fn runs(container: &ContainerSummary) -> bool {
    use ContainerSummaryStateEnum::{PAUSED, RESTARTING, RUNNING};
    matches!(container.state, Some(PAUSED | RESTARTING | RUNNING))
}

async fn take_away(engine: &Docker, made: &Made) {
    for id in made.step.iter().chain(made.containers.iter().rev()) {
        let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
        log_leftover("container", id, engine.remove_container(id, Some(options)).await);
    }
    for id in made.started.iter().rev() {
        match engine.stop_container(id, None::<StopContainerOptions>).await {
            Err(error) if is_so_already(&error) => {}
            stopped => log_leftover("container", id, stopped),
        }
    }
    for id in made.networks.iter().rev() {
        log_leftover("network", id, engine.remove_network(id).await);
    }
    let until = Instant::now() + LAYERS_IN_USE_FOR;
    for id in made.layers.iter().rev() {
        log_leftover("layer", id, without_layer(engine, id, until).await);
    }
}

/// A layer is in use until the engine has removed its container.
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

fn log_leftover<T>(what: &str, id: &str, undone: Result<T, Error>) {
    match undone {
        Err(error) if !is_missing(&error) => {
            tracing::warn!(what, id, %error, "could not remove what a cancelled start created");
        }
        _ => {}
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use axum::http::{Method, Uri};
    use axum::{Json, Router};
    use futures_util::FutureExt as _;
    use serde_json::json;
    use tokio::net::TcpListener;
    use tokio::sync::Semaphore;
    use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

    use super::*;

    /// An engine that records the changes it is asked for, and answers when the test allows it.
    async fn slow() -> (Engine, UnboundedReceiver<String>, Arc<Semaphore>) {
        let (asked, requests) = unbounded_channel();
        let answers = Arc::new(Semaphore::new(0));
        let let_through = answers.clone();
        let answer = move |method: Method, uri: Uri| {
            let (asked, answers) = (asked.clone(), let_through.clone());
            async move {
                if method != Method::GET {
                    let what = uri.path().rsplit('/').next().unwrap_or_default();
                    asked.send(format!("{method} {what}")).unwrap();
                    answers.acquire().await.unwrap().forget();
                }
                Json(json!({ "ApiVersion": "1.41", "Id": "made", "Warnings": [] }))
            }
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("tcp://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(answer);
        tokio::spawn(async move { axum::serve(listener, router).await });
        (Engine::connect(&address).await.unwrap(), requests, answers)
    }

    #[tokio::test]
    async fn what_is_begun_goes_on_when_the_attempt_is_ended() {
        let (engine, mut requests, answers) = slow().await;
        let project_locks = ProjectLocks::default();
        let rollback = Rollback::new(&engine, project_locks.lock("shop").await);
        locked(&rollback.made).containers = vec!["first".into(), "second".into()];
        let attempt = tokio::spawn(async move { rollback.now().await });
        assert_eq!(requests.recv().await.unwrap(), "DELETE second");
        attempt.abort();
        assert!(attempt.await.is_err());
        assert!(project_locks.lock("shop").now_or_never().is_none(), "the next start waits");
        assert!(project_locks.lock("other").now_or_never().is_some());
        answers.add_permits(2);
        assert_eq!(requests.recv().await.unwrap(), "DELETE first");
        project_locks.lock("shop").await;
    }

    #[tokio::test]
    async fn what_the_engine_was_just_making_is_taken_away() {
        let (engine, mut requests, answers) = slow().await;
        let rollback = Rollback::new(&engine, ProjectLocks::default().lock("shop").await);
        let maker = rollback.clone();
        let request = ContainerCreateBody::default();
        let attempt =
            tokio::spawn(async move { maker.container(CreateContainerOptions::default(), request).await });
        assert_eq!(requests.recv().await.unwrap(), "POST create");
        attempt.abort();
        assert!(attempt.await.is_err());
        answers.add_permits(2);
        rollback.now().await;
        assert_eq!(requests.recv().await.unwrap(), "DELETE made");
    }

    #[tokio::test]
    async fn what_took_the_place_of_another_is_only_stopped() {
        let (engine, mut requests, answers) = slow().await;
        let rollback = Rollback::new(&engine, ProjectLocks::default().lock("shop").await);
        locked(&rollback.made).containers = vec!["first".into(), "new".into()];
        let renewing = rollback.clone();
        let attempt = tokio::spawn(async move { renewing.replace("old", "new").await });
        assert_eq!(requests.recv().await.unwrap(), "DELETE old");
        attempt.abort();
        assert!(attempt.await.is_err());
        answers.add_permits(3);
        rollback.now().await;
        assert_eq!(requests.recv().await.unwrap(), "DELETE first");
        assert_eq!(requests.recv().await.unwrap(), "POST stop");
    }
}
