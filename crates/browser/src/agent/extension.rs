//! Tasks in a browser as an extension: the settings, the kind, the rules for its args, the routes and
//! the keys to hide. Must be all that Tidemill knows of them.

use std::path::Path;
use std::time::Duration;

use tidemill::extension::http::ArgsRules;
use tidemill::extension::{Declared, DeclaredQueue, ExtensionError, ProcessParts};
use tidemill::{Extension, KindSettings, Routes, WorkerBuilder};
use tidemill_settings::configured::Configured;
use tidemill_settings::place::Place;
use tidemill_settings::section::Reader;

use super::args::{KIND, QUEUE, SECRET_FIELDS};
use super::kind::AgentKind;
use super::routes::{Target, args_check, routes};
use super::settings::{AgentSection, ExecuteSection};
use super::spec::AgentSpec;
use crate::browser::AllowedHosts;

/// How long what a step does in the browser may take, with room to spare.
const LAST_STEP: Duration = Duration::from_mins(5);

/// The extension; without a model tasks are refused, and none is run.
#[derive(Debug, Clone)]
pub struct Agent {
    section: AgentSection,
    execute: ExecuteSection,
}

impl Configured for Agent {
    const PLACES: &'static [Place] =
        &[Place::of::<AgentSection>("agent"), Place::of::<ExecuteSection>("execute")];

    fn read(reader: &mut Reader<'_>, folder: &Path) -> Self {
        let mut section: AgentSection = reader.section("agent");
        section.browser = section.browser.map(|program| folder.join(program));
        Self { section, execute: reader.section("execute") }
    }
}

impl Agent {
    fn has_model(&self) -> bool {
        self.section.model.is_some()
    }
}

impl Extension for Agent {
    fn name(&self) -> &'static str {
        "agent"
    }

    fn kind_names(&self) -> &'static [&'static str] {
        &[KIND]
    }

    fn kinds(&self, worker: WorkerBuilder, process: &ProcessParts) -> Result<WorkerBuilder, ExtensionError> {
        let agent = &self.section;
        let Some(model) = &agent.model else { return Ok(worker) };
        let mut proxy = match &agent.proxy {
            Some(choice) => choice.or_default_to(&process.proxy),
            None => process.proxy.clone(),
        };
        // Behind one there is often no other way to a model.
        proxy.from_environment = agent.proxy.is_none();
        let spec = AgentSpec {
            api_key: agent.api_key.as_ref().map(|key| key.0.clone()),
            proxy,
            model_timeout: agent.model_timeout,
            hosts: AllowedHosts {
                allowed: agent.allowed_hosts.iter().map(|host| host.0.clone()).collect(),
                allow_private: agent.allow_private,
            },
            max_steps: agent.max_steps,
            max_tokens: agent.max_tokens,
            max_time: agent.max_time,
            browser: agent.browser.clone(),
            sandbox: agent.sandbox,
            ..AgentSpec::new(model, &agent.base_url.0)
        };
        let rules = KindSettings {
            queue: QUEUE.to_owned(),
            // The handler ends a task by itself after its time, between two steps.
            hard_timeout: agent.max_time + agent.model_timeout + LAST_STEP,
            ..KindSettings::default()
        };
        let handler = AgentKind::new(spec).map_err(|error| ExtensionError::new("agent", error))?;
        Ok(worker.kind(KIND, "rust", rules, handler))
    }

    fn args_rules(&self, rules: ArgsRules) -> ArgsRules {
        rules.with(KIND, args_check(self.has_model()))
    }

    fn routes(&self) -> Routes {
        let own = self.execute.kind.as_ref().map(|kind| kind.0.as_str());
        routes(Target::of(own, self.has_model()))
    }

    fn declares(&self) -> Declared {
        let queue = DeclaredQueue { name: QUEUE.to_owned(), slots: None, with: None };
        Declared { queues: self.has_model().then_some(queue).into_iter().collect(), ..Declared::default() }
    }

    fn redacted_fields(&self) -> &'static [&'static str] {
        &SECRET_FIELDS
    }
}
