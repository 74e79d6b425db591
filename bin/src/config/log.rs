//! The types of the settings of the log: which lines are written, and how.

use serde::Serialize;
use tidemill_settings::text_type;
use tidemill_settings::value::Setting;

text_type!(
    /** Which log lines are written. */
    LogFilter,
    "error, warn, info, debug, trace or off, also per module as in info,tidemill=debug",
    is_filter
);

/// Whether a log filter can be read.
fn is_filter(text: &str) -> bool {
    !text.is_empty() && tracing_subscriber::EnvFilter::builder().parse(text).is_ok()
}

/// The format of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Serialize, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl Setting for LogFormat {
    fn allowed() -> String {
        "text or json".into()
    }

    fn parse(text: &str) -> Option<Self> {
        match text {
            "text" => Some(Self::Text),
            "json" => Some(Self::Json),
            _ => None,
        }
    }
}
