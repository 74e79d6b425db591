//! The request to a worker to end: since when, and by which signals. A service manager may send
//! these signals to the worker's commands as well. Must never name a signal that was not sent.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::time::Instant;

/// A request to a worker to end.
#[derive(Debug, Clone)]
pub(super) struct Leaving {
    pub(super) since: Instant,
    pub(super) signals: Signals,
}

/// The signals that have asked for the end so far; all clones share them.
#[derive(Debug, Clone, Default)]
pub(super) struct Signals(Arc<AtomicU64>);

impl Signals {
    pub(super) fn add(&self, number: i32) {
        self.0.fetch_or(bit(number), Ordering::Relaxed);
    }

    /// All signals, as a mask like the kernel's.
    pub(super) fn mask(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The bit of a signal in the kernel's masks; none if there is no such signal.
#[must_use]
pub const fn bit(number: i32) -> u64 {
    match number {
        1..=64 => 1 << (number - 1),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_add_up_over_all_clones() {
        let signals = Signals::default();
        assert_eq!(signals.mask(), 0);
        for number in [2, 15, 0, -1, 65] {
            signals.clone().add(number);
        }
        assert_eq!(signals.mask(), 0x4002);
    }
}
