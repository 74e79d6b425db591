//! A section of the config as a file has it. Must declare no setting itself.

use crate::section::{DeclaredSetting, Section};

/// A section as the file has it.
#[derive(Clone, Copy)]
pub struct Place {
    /// `api`, or `queues` for all of `[queues.NAME]`.
    pub key: &'static str,
    /// True where a name follows the key.
    pub named: bool,
    /// What the section is about.
    pub about: &'static str,
    /// Its settings.
    pub fields: &'static [DeclaredSetting],
}

impl Place {
    /// The section `[key]`.
    #[must_use]
    pub const fn of<T: Section>(key: &'static str) -> Self {
        Self { key, named: false, about: T::ABOUT, fields: T::FIELDS }
    }

    /// Every `[key.NAME]`.
    #[must_use]
    pub const fn each<T: Section>(key: &'static str) -> Self {
        Self { key, named: true, about: T::ABOUT, fields: T::FIELDS }
    }
}

impl std::fmt::Debug for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Place").field("key", &self.key).field("named", &self.named).finish_non_exhaustive()
    }
}
