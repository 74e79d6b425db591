//! What must hold between settings that are each right by themselves. Reports; never mends.

use std::time::Duration;

use super::Config;
use super::section::Reader;

pub(super) fn check(config: &Config, reader: &mut Reader<'_>) {
    let worker = &config.worker;
    if worker.heartbeat * 3 > worker.lease_ttl {
        let message = format!(
            "{} is more than a third of worker.lease_ttl ({}): one late sign of life would cost a job its lease",
            shown(worker.heartbeat),
            shown(worker.lease_ttl)
        );
        reader.report_here("worker.heartbeat", message);
    }
    if config.api.max_args_bytes > config.api.max_body_bytes {
        reader.report_here("api.max_args_bytes", "is larger than api.max_body_bytes".into());
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
