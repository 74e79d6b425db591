//! Starts the log, to standard error. What a command answers goes to standard output and must never
//! be mixed with it.

use std::io::{IsTerminal, stderr};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::JsonFields;

use super::GlobalArgs;
use super::json_log::FlatJson;
use crate::config::{LogFormat, LogSection};

/// What is never logged in full.
const SILENCED: [&str; 2] = ["chromiumoxide=error", "tungstenite=info"];

/// Starts the log of a server as the config says.
pub(super) fn start(log: &LogSection) {
    // The config was checked; a filter that still fails logs everything from info on.
    let filter = EnvFilter::try_new(&log.filter.0).unwrap_or_else(|_| EnvFilter::new("info"));
    let filter = silenced(filter);
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(stderr);
    // A second start, as in tests, keeps the first log.
    let _ = match log.format {
        LogFormat::Text => builder.with_ansi(stderr().is_terminal()).try_init(),
        LogFormat::Json => builder.fmt_fields(JsonFields::new()).event_format(FlatJson).try_init(),
    };
}

/// Without what would show all that is sent to a browser, and with it the secrets of sessions.
fn silenced(filter: EnvFilter) -> EnvFilter {
    SILENCED.iter().filter_map(|directive| directive.parse().ok()).fold(filter, EnvFilter::add_directive)
}

/// Starts the log of a command that only asks a server: warnings, or what -v says.
pub(super) fn start_quiet(global: &GlobalArgs) {
    let filter = verbose_filter(global.verbose).unwrap_or("warn").to_owned();
    let format = global.log_format.unwrap_or(LogFormat::Text);
    start(&LogSection { format, filter: crate::config::LogFilter(filter) });
}

/// The filter that -v asks for.
pub(super) fn verbose_filter(verbose: u8) -> Option<&'static str> {
    match verbose {
        0 => None,
        1 => Some("info,tidemill=debug"),
        _ => Some("debug,tidemill=trace"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_show_sessions_is_silenced_whatever_the_filter_says() {
        let filter = silenced(EnvFilter::new("trace,chromiumoxide=trace,tungstenite=trace")).to_string();
        assert!(filter.contains("chromiumoxide=error") && filter.contains("tungstenite=info"), "{filter}");
        assert!(!filter.contains("chromiumoxide=trace") && !filter.contains("tungstenite=trace"), "{filter}");
    }
}
