//! Replaces the exporter in a build without it: logs that if a variable asks for traces. Must never export.

use axum::Router;

use super::wanted::is_wanted;

/// Never there.
#[derive(Debug)]
pub(in crate::cli::process) enum Exporter {}

impl Exporter {
    pub(in crate::cli::process) fn start() -> Option<Self> {
        if is_wanted() {
            tracing::warn!("no traces are exported: this tidemill was built without the feature otlp");
        }
        None
    }

    pub(in crate::cli::process) fn close(self) -> std::future::Ready<()> {
        match self {}
    }
}

pub(in crate::cli::process) fn watch(spans: &Exporter, _: Router) -> Router {
    match *spans {}
}
