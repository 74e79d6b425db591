//! Adds a metric to a registry. Must never fail: each name is a constant and used once.

use prometheus::Registry;
use prometheus::core::Collector;

/// Why that is so.
pub(super) const SOUND: &str = "the names are constants, well formed and each used once";

/// The collector, once the registry has it.
pub(super) fn add<C: Collector + Clone + 'static>(registry: &Registry, collector: C) -> C {
    registry.register(Box::new(collector.clone())).expect(SOUND);
    collector
}
