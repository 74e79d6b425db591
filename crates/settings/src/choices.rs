//! The settings of jobs that are one of a few words. Every word appears here once, and in the list of
//! allowed values.

use super::value::Setting;
use tidemill::api::server::auth::cookie::SameSite;
use tidemill::job::alert::Condition;
use tidemill::job::limit::OnFull;
use tidemill::job::settings::OnLostContact;
use tidemill::kinds::command::containment::ContainmentChoice;

impl Setting for ContainmentChoice {
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

impl Setting for SameSite {
    fn allowed() -> String {
        "strict, lax or none".into()
    }

    fn parse(text: &str) -> Option<Self> {
        match text {
            "strict" => Some(Self::Strict),
            "lax" => Some(Self::Lax),
            "none" => Some(Self::None),
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

impl Setting for Condition {
    fn allowed() -> String {
        Self::ALL.iter().map(|(_, word)| *word).collect::<Vec<_>>().join(", ")
    }

    fn parse(text: &str) -> Option<Self> {
        Self::of(text)
    }
}
