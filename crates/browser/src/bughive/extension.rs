//! The web quality agent as an extension: its settings, kinds, routes, queues and schedule. Must be
//! all that Tidemill knows of it.

use std::collections::BTreeMap;
use std::path::Path;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};
use tidemill::extension::jobs::Timing;
use tidemill::extension::{Declared, DeclaredQueue, ExtensionError, ProcessParts};
use tidemill::{Extension, KindSettings, NewJob, NewSchedule, Routes, Times, WorkerBuilder};
use tidemill_settings::configured::Configured;
use tidemill_settings::place::Place;
use tidemill_settings::section::Reader;

use super::cleanup::Cleanup;
use super::crawl::Crawl;
use super::media::{Media, MediaSpec};
use super::routes::routes;
use super::sessions::SessionRules;
use super::settings::{BugHiveSection, CrawlSection, RulesSection};
use super::ticket::{Ticket, TicketSpec};
use super::{BrowserSpec, CLEANUP, CRAWL, MEDIA, QUEUES, TICKET, rules};

/// The schedule that removes old crawls, unless the config has a schedule of that name.
const SCHEDULE: &str = "bughive.sessions-cleanup";

/// The extension; unless it is enabled it only has routes.
#[derive(Debug, Clone)]
pub struct BugHive {
    section: BugHiveSection,
    crawl: CrawlSection,
}

impl Configured for BugHive {
    const PLACES: &'static [Place] =
        &[Place::of::<BugHiveSection>("bughive"), Place::of::<CrawlSection>("crawl")];

    fn read(reader: &mut Reader<'_>, folder: &Path) -> Self {
        let mut section: BugHiveSection = reader.section("bughive");
        section.media_folder = section.media_folder.map(|media| folder.join(media));
        if section.enabled
            && let Err(unfit) = Timing::ahead(&times(&section), DateTime::<Utc>::UNIX_EPOCH)
        {
            reader.report_here("bughive.cleanup", unfit.brief());
        }
        Self { section, crawl: reader.section("crawl") }
    }
}

impl Extension for BugHive {
    fn name(&self) -> &'static str {
        "bughive"
    }

    fn kind_names(&self) -> &'static [&'static str] {
        &[CRAWL, TICKET, MEDIA, CLEANUP]
    }

    fn kinds(&self, worker: WorkerBuilder, process: &ProcessParts) -> Result<WorkerBuilder, ExtensionError> {
        let section = &self.section;
        if !section.enabled {
            return Ok(worker);
        }
        let ticket = TicketSpec {
            url: section.linear_url.0.clone(),
            api_key: section.linear_api_key.as_ref().map(|key| key.0.clone()),
            team_id: section.linear_team.clone(),
            proxy: process.proxy.clone(),
        };
        let ticket = Ticket::new(&ticket).map_err(|why| unusable("linear_api_key", &why))?;
        let media = Media::new(&self.media(process)).map_err(|why| unusable("media_url", &why))?;
        let cleanup = Cleanup { rules: self.session_rules() };
        Ok(worker
            .handler_with(cleanup, over(CLEANUP, &section.sessions))
            .handler_with(ticket, over(TICKET, &section.ticket))
            .handler_with(Crawl::new(self.browser()), over(CRAWL, &section.crawl))
            .handler_with(media, over(MEDIA, &section.media)))
    }

    fn routes(&self) -> Routes {
        routes(self.session_rules())
    }

    fn declares(&self) -> Declared {
        if !self.section.enabled {
            return Declared::default();
        }
        let queue = |(name, slots): (&str, u32)| DeclaredQueue {
            name: name.to_owned(),
            slots: Some(slots),
            with: None,
        };
        Declared {
            queues: QUEUES.into_iter().map(queue).collect(),
            schedules: vec![schedule(&self.section)],
            ..Declared::default()
        }
    }
}

impl BugHive {
    fn session_rules(&self) -> SessionRules {
        let own = self.crawl.kind.as_ref().map(|kind| kind.0.clone());
        SessionRules { kind: own.unwrap_or_else(|| CRAWL.to_owned()), ttl: self.section.session_ttl }
    }

    fn browser(&self) -> BrowserSpec {
        let section = &self.section;
        BrowserSpec {
            program: section.browser.clone(),
            sandbox: section.sandbox.unwrap_or_else(|| !nix::unistd::geteuid().is_root()),
            allow_private: section.allow_private,
            ignore_certificate_errors: section.ignore_certificate_errors,
            user_agent: section.user_agent.clone(),
            page_timeout: section.page_timeout,
            page_delay: section.page_delay,
        }
    }

    /// The storage of uploads: its own, or below the storage of the deployment.
    fn media(&self, process: &ProcessParts) -> MediaSpec {
        let section = &self.section;
        let folder = section.media_folder.clone();
        let Some(own) = &section.media_url else {
            let below = process.storage.as_ref().map(|storage| {
                (format!("{}/media", storage.url.trim_end_matches('/')), storage.options.clone())
            });
            let (url, options) = below.unzip();
            return MediaSpec { url, options: options.unwrap_or_default(), folder };
        };
        let configured =
            section.media_options.iter().map(|(name, value)| (name.0.to_lowercase(), value.0.clone()));
        let options: BTreeMap<_, _> = process.cloud_options(&own.0).into_iter().chain(configured).collect();
        MediaSpec { url: Some(own.0.clone()), options, folder }
    }
}

fn over(kind: &str, section: &RulesSection) -> KindSettings {
    section.over(rules(kind).unwrap_or_default())
}

fn unusable(key: &str, why: &dyn std::fmt::Display) -> ExtensionError {
    ExtensionError::new(format!("bughive.{key}"), format!("cannot be used: {why}"))
}

fn times(section: &BugHiveSection) -> Times {
    Times { cron: Some(section.cleanup.clone()), every: None, at: None, timezone: "UTC".to_owned() }
}

fn schedule(section: &BugHiveSection) -> NewSchedule {
    NewSchedule {
        name: SCHEDULE.to_owned(),
        times: times(section),
        job: Value::Object(NewJob::new(CLEANUP, Map::new()).template()),
        missed: "one".into(),
        missed_limit: 1,
        overlap: "skip".into(),
        jitter_seconds: 0.0,
        paused_by: None,
    }
}
