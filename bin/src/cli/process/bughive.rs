//! Builds the kinds of the web quality agent from the config. Logs a warning for kinds that this
//! build cannot run and does not serve them.

use crate::cli::error::CliError;
use crate::config::{BugHiveSection, Config, RulesSection};
use tidemill::job::settings::KindSettings;
use tidemill::kinds::bughive::cleanup::Cleanup;
#[cfg(feature = "storage")]
use tidemill::kinds::bughive::media::{Media, MediaSpec};
use tidemill::kinds::bughive::ticket::{Ticket, TicketSpec};
use tidemill::kinds::bughive::{self, CLEANUP, TICKET};
use tidemill::worker::WorkerBuilder;

/// Adds the kinds that the config asks for.
pub(crate) fn serve(builder: WorkerBuilder, config: &Config) -> Result<WorkerBuilder, CliError> {
    let section = &config.bughive;
    if !section.enabled {
        return Ok(builder);
    }
    let ticket = TicketSpec {
        url: section.linear_url.0.clone(),
        api_key: section.linear_api_key.as_ref().map(|key| key.0.clone()),
        team_id: section.linear_team.clone(),
        proxy: super::outbound::proxy(config, None),
    };
    let ticket = Ticket::new(&ticket).map_err(|why| unusable("linear_api_key", &why))?;
    let builder = builder
        .handler_with(Cleanup, rules(CLEANUP, &section.sessions))
        .handler_with(ticket, rules(TICKET, &section.ticket));
    media(crawl(builder, section), config)
}

fn rules(kind: &str, section: &RulesSection) -> KindSettings {
    section.over(bughive::rules(kind).unwrap_or_default())
}

fn unusable(key: &str, why: &str) -> CliError {
    CliError::Usage(format!("bughive.{key} cannot be used: {why}"))
}

#[cfg(feature = "browser")]
fn crawl(builder: WorkerBuilder, section: &BugHiveSection) -> WorkerBuilder {
    let browser = bughive::BrowserSpec {
        program: section.browser.clone(),
        sandbox: section.sandbox.unwrap_or_else(|| !nix::unistd::geteuid().is_root()),
        allow_private: section.allow_private,
        ignore_certificate_errors: section.ignore_certificate_errors,
        user_agent: section.user_agent.clone(),
        page_timeout: section.page_timeout,
        page_delay: section.page_delay,
        session_ttl: section.session_ttl,
    };
    builder.handler_with(bughive::crawl::Crawl::new(browser), rules(bughive::CRAWL, &section.crawl))
}

#[cfg(not(feature = "browser"))]
fn crawl(builder: WorkerBuilder, _: &BugHiveSection) -> WorkerBuilder {
    tracing::warn!(
        "this build has no browser and does not serve crawl.session; build it with the feature browser"
    );
    builder
}

#[cfg(feature = "storage")]
fn media(builder: WorkerBuilder, config: &Config) -> Result<WorkerBuilder, CliError> {
    let section = &config.bughive;
    let own = section.media_url.as_ref().map(|url| (url.0.clone(), &section.media_options));
    let storage = &config.storage;
    let below = || {
        let url = storage.url.as_ref()?.0.trim_end_matches('/').to_owned();
        Some((format!("{url}/media"), &storage.options))
    };
    let (url, options) = own.or_else(below).unzip();
    let said = options.into_iter().flatten().map(|(name, value)| (name.0.to_lowercase(), value.0.clone()));
    let options: std::collections::BTreeMap<_, _> =
        super::vault::cloud_variables(url.as_deref().unwrap_or("file:")).chain(said).collect();
    let media = Media::new(&MediaSpec { url, options, folder: section.media_folder.clone() });
    let media = media.map_err(|why| unusable("media_url", &why))?;
    Ok(builder.handler_with(media, rules(bughive::MEDIA, &section.media)))
}

#[cfg(not(feature = "storage"))]
#[expect(clippy::unnecessary_wraps, reason = "the same face as with storage, where media can fail to open")]
fn media(builder: WorkerBuilder, _: &Config) -> Result<WorkerBuilder, CliError> {
    tracing::warn!(
        "this build has no object storage and does not serve media.upload; build it with the feature storage"
    );
    Ok(builder)
}
