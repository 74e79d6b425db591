//! The types of settings that only the hub has.

use tidemill_settings::text_type;
use tidemill_settings::value::Setting;

text_type!(
    /** Where a Docker engine listens. */
    EngineAddress,
    "unix:///path/to/its/socket, or tcp://host:port",
    |text| {
        let tcp = text.strip_prefix("tcp://").is_some_and(|rest| rest.contains(':') && !rest.contains('/'));
        tcp || text.strip_prefix("unix://").is_some_and(|path| path.starts_with('/'))
    }
);

/// The implementation that starts the hub's projects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd)]
pub enum ComposeWay {
    /// The hub itself if it supports the whole description, otherwise the program.
    Auto,
    /// The program `docker compose`.
    Program,
    /// The hub itself.
    Builtin,
}

impl Setting for ComposeWay {
    fn allowed() -> String {
        "auto, program or builtin".into()
    }

    fn parse(text: &str) -> Option<Self> {
        match text {
            "auto" => Some(Self::Auto),
            "program" => Some(Self::Program),
            "builtin" => Some(Self::Builtin),
            _ => None,
        }
    }
}
