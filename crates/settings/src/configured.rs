//! Extensions that read sections of the config of their own, and the set of those that a program
//! has. Must know none of them by name.

use std::path::Path;
use std::sync::Arc;

use tidemill::extension::Extension;

use crate::place::Place;
use crate::section::Reader;

/// An extension with settings.
pub trait Configured: Extension + Sized {
    /// Its sections, in the order of the manual.
    const PLACES: &'static [Place];

    /// Reads its sections from the top of the config; problems are reported to the reader. Relative paths start at
    /// `folder`.
    fn read(reader: &mut Reader<'_>, folder: &Path) -> Self;
}

/// The extensions that a program has, before their settings are read.
#[derive(Debug, Clone, Default)]
pub struct Extensions(Vec<Entry>);

#[derive(Clone)]
struct Entry {
    places: &'static [Place],
    read: fn(&mut Reader<'_>, &Path) -> Arc<dyn Extension>,
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entry").field("places", &self.places).finish_non_exhaustive()
    }
}

impl Extensions {
    /// No extension.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Adds one.
    #[must_use]
    pub fn with<T: Configured>(mut self) -> Self {
        self.0.push(Entry { places: T::PLACES, read: |reader, folder| Arc::new(T::read(reader, folder)) });
        self
    }

    /// The sections of all of them.
    pub fn places(&self) -> impl Iterator<Item = Place> {
        self.0.iter().flat_map(|entry| entry.places).copied()
    }

    /// Reads the settings of all of them.
    pub fn read(&self, reader: &mut Reader<'_>, folder: &Path) -> Vec<Arc<dyn Extension>> {
        self.0.iter().map(|entry| (entry.read)(reader, folder)).collect()
    }
}
