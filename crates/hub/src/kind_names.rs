//! The names of the kinds behind the hub's routes: its own, or those that the config names.

use crate::project::queue_of;
use crate::settings::HubSection;

/// The action on a project.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    Start,
    Stop,
    Restart,
    Logs,
}

impl Verb {
    /// All of them.
    pub(crate) const ALL: [Self; 4] = [Self::Start, Self::Stop, Self::Restart, Self::Logs];

    /// The kind of the hub's own.
    pub(crate) const fn own_kind(self) -> &'static str {
        match self {
            Self::Start => "hub.start",
            Self::Stop => "hub.stop",
            Self::Restart => "hub.restart",
            Self::Logs => "hub.logs",
        }
    }
}

/// The kinds of other programs behind the routes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct OtherKinds([Option<String>; 4]);

impl OtherKinds {
    /// Those that a section names.
    pub(crate) fn of(section: &HubSection) -> Self {
        let named = [&section.start_kind, &section.stop_kind, &section.restart_kind, &section.logs_kind];
        Self(named.map(|kind| kind.as_ref().map(|kind| kind.0.clone())))
    }

    /// Whether there is any.
    pub(crate) fn any(&self) -> bool {
        self.0.iter().any(Option::is_some)
    }

    /// The kind of another, if one carries out this verb.
    pub(crate) fn get(&self, verb: Verb) -> Option<&str> {
        let place = Verb::ALL.iter().position(|one| *one == verb)?;
        self.0[place].as_deref()
    }

    /// The kind that carries out a verb.
    pub(crate) fn name(&self, verb: Verb) -> &str {
        self.get(verb).unwrap_or(verb.own_kind())
    }

    /// The verb of a kind; `None` for a kind that is not behind the routes.
    pub(crate) fn verb_of(&self, kind: &str) -> Option<Verb> {
        Verb::ALL.into_iter().find(|verb| self.name(*verb) == kind)
    }

    /// The queue of a verb's jobs; `None`: that of the kind.
    pub(crate) fn queue_of(&self, verb: Verb, queue: &str) -> Option<String> {
        self.get(verb).is_none().then(|| queue_of(verb.own_kind(), queue))
    }
}
