//! Starts the log on standard error. The output of a command goes to standard output and must never
//! be mixed with the log. A line that cannot be written is dropped and stops nothing.

pub(crate) mod flat_json;
pub(crate) mod lines;

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::{self, IsTerminal, Stderr, Write, stderr};
use std::panic;

use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::JsonFields;
use tracing_subscriber::fmt::writer::BoxMakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use self::flat_json::FlatJson;
use self::lines::Line;
use super::GlobalArgs;
use crate::config::{LogFormat, LogSection};

/// Targets that are never logged in full: messages to a browser contain the secrets of sessions, and a
/// model server's answer to a bad request may contain the key. Also, the client library reports every end
/// of a browser as an error; if it is one, the attempt reports it.
const SILENCED: [(&str, LevelFilter); 4] = [
    ("chromiumoxide", LevelFilter::ERROR),
    ("chromiumoxide::handler", LevelFilter::OFF),
    ("tungstenite", LevelFilter::INFO),
    ("async_openai", LevelFilter::OFF),
];

/// Starts the log of a server as the config says.
pub(super) fn start(log: &LogSection) {
    lines::start();
    if begin(log, BoxMakeWriter::new(|| Line)) {
        // Panics are logged like everything else, and without waiting for a reader.
        panic::set_hook(Box::new(|broken| {
            let trace = Backtrace::capture();
            if trace.status() == BacktraceStatus::Captured {
                tracing::error!(%broken, %trace, "a task panicked");
            } else {
                tracing::error!(%broken, "a task panicked");
            }
        }));
    }
}

/// Whether it is the first log of the process; a second start, as in tests, keeps that.
fn begin(log: &LogSection, writer: BoxMakeWriter) -> bool {
    // The config was checked; a filter that still fails logs everything from info on.
    let filter = EnvFilter::try_new(&log.filter.0).unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer);
    // Its own complaints would go to the standard error that just failed, by a macro that panics then.
    let builder = builder.log_internal_errors(false);
    let begun = match log.format {
        LogFormat::Text => silenced(builder.with_ansi(stderr().is_terminal()).finish()).try_init(),
        LogFormat::Json => {
            silenced(builder.fmt_fields(JsonFields::new()).event_format(FlatJson).finish()).try_init()
        }
    };
    begun.is_ok()
}

/// Standard error, whose failures never reach the caller that logs.
struct Quiet(Stderr);

impl Write for Quiet {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _ = self.0.write_all(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The log without those targets, whatever its filter says: in a filter, a rule for a module takes
/// precedence over one for the whole library.
fn silenced(log: impl Subscriber + Send + Sync) -> impl Subscriber + Send + Sync {
    log.with(Targets::new().with_default(LevelFilter::TRACE).with_targets(SILENCED))
}

/// Starts the log of a command that only asks a server: warnings, or what -v says.
pub(super) fn start_quiet(global: &GlobalArgs) {
    let filter = verbose_filter(global.verbose).unwrap_or("warn").to_owned();
    let format = global.log_format.unwrap_or(LogFormat::Text);
    let log = LogSection { format, filter: crate::config::LogFilter(filter) };
    begin(&log, BoxMakeWriter::new(|| Quiet(stderr())));
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
    use std::sync::{Arc, Mutex};

    use super::*;

    /// The destination of a log that a test reads.
    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_would_show_secrets_is_silenced_whatever_the_filter_says() {
        let written = Written::default();
        let writer = written.clone();
        let filter = EnvFilter::new(
            "trace,chromiumoxide=trace,chromiumoxide::conn=trace,tungstenite::protocol=trace,async_openai::client=trace,[job]=trace",
        );
        let log =
            tracing_subscriber::fmt().with_env_filter(filter).with_writer(move || writer.clone()).finish();
        tracing::subscriber::with_default(silenced(log), || {
            let _job = tracing::info_span!("job").entered();
            tracing::trace!(target: "chromiumoxide::conn", "s3cret");
            tracing::error!(target: "chromiumoxide::handler", "s3cret");
            tracing::trace!(target: "tungstenite::protocol", "s3cret");
            tracing::warn!(target: "async_openai::client", "s3cret");
            tracing::error!(target: "async_openai::error", "s3cret");
            tracing::trace!("mine");
        });
        let log = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        assert!(log.contains("mine") && !log.contains("s3cret"), "{log}");
    }
}
