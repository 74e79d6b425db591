//! The settings that are one of a few words. Every word appears here once, and in the list of
//! allowed values.

use serde::Serialize;

use super::value::Setting;
use tidemill::job::limit::OnFull;
use tidemill::job::settings::OnLostContact;
use tidemill::kinds::command::containment::Wish;

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

impl Setting for Wish {
    fn allowed() -> String {
        "auto, cgroup, reaper or group".into()
    }

    fn parse(text: &str) -> Option<Self> {
        match text {
            "auto" => Some(Self::Auto),
            "cgroup" => Some(Self::Cgroup),
            "reaper" => Some(Self::Reaper),
            "group" => Some(Self::Group),
            _ => None,
        }
    }
}

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

impl Setting for OnFull {
    fn allowed() -> String {
        "queue, cancel_newest or cancel_oldest".into()
    }

    fn parse(text: &str) -> Option<Self> {
        Self::of(text)
    }
}

impl Setting for OnLostContact {
    fn allowed() -> String {
        "stop or continue".into()
    }

    fn parse(text: &str) -> Option<Self> {
        match text {
            "stop" => Some(Self::Stop),
            "continue" => Some(Self::Continue),
            _ => None,
        }
    }
}
