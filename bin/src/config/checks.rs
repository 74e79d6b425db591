//! Checks the rules between settings, each of which is valid by itself. Only reports; must never correct a
//! setting.

use std::time::Duration;

use super::Config;
use tidemill::job::limit::OnFull;
use tidemill_settings::section::Reader;

pub(super) fn check(config: &Config, reader: &mut Reader<'_>) {
    let worker = &config.worker;
    if worker.heartbeat * 3 > worker.lease_ttl {
        let message = format!(
            "{} is more than a third of worker.lease_ttl ({}): one late heartbeat could cost a job its lease",
            shown(worker.heartbeat),
            shown(worker.lease_ttl)
        );
        reader.report_here("worker.heartbeat", message);
    }
    if config.api.max_args_bytes > config.api.max_body_bytes {
        reader.report_here("api.max_args_bytes", "is larger than api.max_body_bytes".into());
    }
    let encryption = &config.encryption;
    if encryption.require == Some(true) && encryption.keys.is_empty() && encryption.keys_file.is_none() {
        reader.report_here("encryption.require", "needs encryption.keys or encryption.keys_file".into());
    }
    for (name, queue) in &config.queues {
        if queue.burst.is_some() && queue.rate.is_none() {
            reader.report_here(&format!("queues.{name}.burst"), "needs a rate".into());
        }
    }
    for (name, limit) in &config.limits {
        if limit.limit().is_none() {
            reader.report_here(
                &format!("limits.{name}"),
                "limits nothing; give max_running, rate or both".into(),
            );
        } else if limit.burst.is_some() && limit.rate.is_none() {
            reader.report_here(&format!("limits.{name}.burst"), "needs a rate".into());
        } else if limit.on_full != OnFull::Queue && limit.max_running.is_none_or(|most| most == 0) {
            reader.report_here(&format!("limits.{name}.on_full"), "needs a max_running of at least 1".into());
        }
    }
    for (name, kind) in &config.kinds {
        let settings = &kind.settings;
        if let Some(soft) = settings.soft_timeout
            && soft >= settings.hard_timeout
        {
            let message = format!(
                "{} is not shorter than hard_timeout ({})",
                shown(soft),
                shown(settings.hard_timeout)
            );
            reader.report_here(&format!("kinds.{name}.soft_timeout"), message);
        }
        if settings.backoff.first > settings.backoff.max {
            let message = format!(
                "{} is longer than backoff.max ({})",
                shown(settings.backoff.first),
                shown(settings.backoff.max)
            );
            reader.report_here(&format!("kinds.{name}.backoff.first"), message);
        }
    }
}

fn shown(duration: Duration) -> String {
    humantime::format_duration(duration).to_string()
}
