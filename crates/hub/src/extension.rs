//! The hub as an extension: its settings, kinds, routes, queues and limit. Must be all that Tidemill
//! knows of it.

use std::path::Path;
use std::sync::Arc;

use tidemill::extension::{Declared, DeclaredQueue, ExtensionError, ProcessParts};
use tidemill::{Extension, LimitSettings, OnFull, Routes, WorkerBuilder};
use tidemill_settings::configured::Configured;
use tidemill_settings::place::Place;
use tidemill_settings::section::Reader;

use crate::kind::kinds;
use crate::project::quick_queue;
use crate::routes::routes;
use crate::settings::{HubSection, ProjectSection, check};
use crate::spec::HubSettings;

/// The limit by which jobs that change one project take turns.
pub(crate) const HUB_PROJECT: &str = "hub.project";
/// The number of stops and logs that run at once in one worker: they mostly wait for the engine.
const QUICK_SLOTS: u32 = 8;

/// The extension; without projects it only refuses.
#[derive(Debug, Clone)]
pub struct Hub {
    settings: Arc<HubSettings>,
}

impl Hub {
    /// The hub with these settings; relative paths start at `folder`.
    #[must_use]
    pub fn new(section: &HubSection, folder: &Path) -> Self {
        Self { settings: Arc::new(HubSettings::of(section, folder)) }
    }
}

impl Configured for Hub {
    const PLACES: &'static [Place] =
        &[Place::of::<HubSection>("hub"), Place::each::<ProjectSection>("hub.projects")];

    fn read(reader: &mut Reader<'_>, folder: &Path) -> Self {
        let section: HubSection = reader.section("hub");
        check(&section, reader);
        Self::new(&section, folder)
    }
}

impl Extension for Hub {
    fn name(&self) -> &'static str {
        "hub"
    }

    fn kind_names(&self) -> &'static [&'static str] {
        &["hub.start", "hub.stop", "hub.restart", "hub.logs"]
    }

    fn kinds(&self, worker: WorkerBuilder, _: &ProcessParts) -> Result<WorkerBuilder, ExtensionError> {
        if !self.settings.is_active() {
            return Ok(worker);
        }
        let add = |worker: WorkerBuilder, (name, rules, handler)| worker.kind(name, "rust", rules, handler);
        Ok(kinds(&self.settings).into_iter().fold(worker, add))
    }

    fn routes(&self) -> Routes {
        routes(Arc::clone(&self.settings))
    }

    fn declares(&self) -> Declared {
        if !self.settings.is_active() && !self.settings.others.any() {
            return Declared::default();
        }
        // Starts and stops of one project take turns; different projects do not wait for one another.
        let one = LimitSettings { max_running: Some(1), rate: None, on_full: Some(OnFull::Queue) };
        let limits = vec![(HUB_PROJECT.to_owned(), one)];
        if !self.settings.is_active() {
            return Declared { limits, ..Declared::default() };
        }
        let queue = &self.settings.queue;
        // A worker that builds also stops: one that is restricted to one of the two queues serves the other as well.
        let quick =
            DeclaredQueue { name: quick_queue(queue), slots: Some(QUICK_SLOTS), with: Some(queue.clone()) };
        let own = DeclaredQueue { name: queue.clone(), slots: Some(self.settings.concurrency), with: None };
        Declared { queues: vec![own, quick], limits, ..Declared::default() }
    }
}
