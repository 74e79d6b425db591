//! The kinds that this worker serves, with their handlers and rules. Fixed once the worker runs.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;
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
    /// How many attempts in a row have been short.
    short_runs: Arc<AtomicU32>,
}

/// An attempt that takes no longer is short.
const SHORT: Duration = Duration::from_millis(250);
/// A kind is short after this many short attempts in a row.
const SHORT_RUNS: u32 = 100;

/// All served kinds by name.
#[derive(Default)]
pub(super) struct Registry {
    kinds: BTreeMap<String, Served>,
}

impl Registry {
    pub(super) fn add(&mut self, row: KindRow, handler: Arc<dyn DynHandler>) {
        let settings = row.settings.clone().unwrap_or_default();
        self.kinds.insert(row.name.clone(), Served { handler, settings, row, short_runs: Arc::default() });
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

    /// The kinds whose last attempts were all short.
    pub(super) fn short_kinds(&self) -> Vec<String> {
        let short = self.kinds.iter().filter(|(_, served)| served.short_runs.load(Relaxed) >= SHORT_RUNS);
        short.map(|(kind, _)| kind.clone()).collect()
    }

    /// Whether attempts of a kind continue while the database cannot be reached.
    pub(super) fn continues(&self, kind: &str) -> bool {
        self.get(kind).is_some_and(|served| served.settings.on_lost_contact == OnLostContact::Continue)
    }

    pub(super) fn rows(&self) -> Vec<KindRow> {
        self.kinds.values().map(|served| served.row.clone()).collect()
    }
}

impl Served {
    /// An attempt of the kind took this long.
    pub(super) fn ran(&self, took: Duration) {
        if took > SHORT {
            self.short_runs.store(0, Relaxed);
        } else if self.short_runs.load(Relaxed) < SHORT_RUNS {
            self.short_runs.fetch_add(1, Relaxed);
        }
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.kinds.keys()).finish()
    }
}
