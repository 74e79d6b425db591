//! The kinds that this worker serves, with their handlers and rules. Fixed once the worker runs.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::handler::DynHandler;
use crate::job::settings::{KindSettings, OnLostContact};
use crate::store::attempts::claim::KindTerms;
use crate::store::kinds::KindRow;

/// One served kind.
#[derive(Clone)]
pub(super) struct Served {
    pub(super) handler: Arc<dyn DynHandler>,
    pub(super) settings: KindSettings,
    row: KindRow,
}

/// All served kinds by name.
#[derive(Default)]
pub(super) struct Registry {
    kinds: BTreeMap<String, Served>,
}

impl Registry {
    pub(super) fn add(&mut self, row: KindRow, handler: Arc<dyn DynHandler>) {
        let settings = row.settings.clone().unwrap_or_default();
        self.kinds.insert(row.name.clone(), Served { handler, settings, row });
    }

    pub(super) fn get(&self, kind: &str) -> Option<&Served> {
        self.kinds.get(kind)
    }

    /// How long the slowest kind may take to stop.
    pub(super) fn longest_stop_grace(&self) -> Duration {
        self.kinds.values().map(|served| served.settings.stop_grace).max().unwrap_or_default()
    }

    pub(super) fn kinds(&self) -> Vec<String> {
        self.kinds.keys().cloned().collect()
    }

    /// How long attempts of each kind may take, in the order of [`Registry::kinds`].
    pub(super) fn terms(&self) -> Vec<KindTerms> {
        let terms = |served: &Served| KindTerms {
            soft_seconds: Some(served.settings.soft_timeout.map_or(f64::INFINITY, |soft| soft.as_secs_f64())),
            hard_seconds: Some(served.settings.hard_timeout.as_secs_f64()),
            grace_seconds: Some(served.settings.stop_grace.as_secs_f64()),
        };
        self.kinds.values().map(terms).collect()
    }

    /// Whether attempts of a kind continue while the database cannot be reached.
    pub(super) fn continues(&self, kind: &str) -> bool {
        self.get(kind).is_some_and(|served| served.settings.on_lost_contact == OnLostContact::Continue)
    }

    pub(super) fn rows(&self) -> Vec<KindRow> {
        self.kinds.values().map(|served| served.row.clone()).collect()
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.kinds.keys()).finish()
    }
}
