//! The receiver of the spans of attempts, if the process exports them; set once. Must never delay the end of
//! an attempt.

use std::sync::OnceLock;

use crate::metrics::AttemptOutcome;
use crate::store::attempts::ended_attempt::EndedAttempt;

static SINK: OnceLock<Box<dyn SpanSink>> = OnceLock::new();

/// Takes the spans of attempts.
pub trait SpanSink: Send + Sync + std::fmt::Debug {
    /// An attempt has ended; must return at once.
    fn attempt(&self, ended: &EndedAttempt, outcome: AttemptOutcome);
}

/// Gives all spans of this process to `sink`; a second one is ignored.
pub fn export_to(sink: Box<dyn SpanSink>) {
    let _ = SINK.set(sink);
}

/// Whether somebody exports them.
pub(crate) fn are_exported() -> bool {
    SINK.get().is_some()
}

pub(crate) fn attempt(ended: &EndedAttempt, outcome: AttemptOutcome) {
    if let Some(sink) = SINK.get() {
        sink.attempt(ended, outcome);
    }
}
