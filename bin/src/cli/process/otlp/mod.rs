//! Traces of this process over OTLP: a span of each request that can enqueue, and of each attempt. Only the
//! variables of OpenTelemetry configure it. Must never delay a request or an attempt.

#[cfg(not(feature = "otlp"))]
mod absent;
#[cfg(feature = "otlp")]
mod exporter;
#[cfg(feature = "otlp")]
mod requests;
mod wanted;

#[cfg(not(feature = "otlp"))]
pub(super) use absent::{Exporter, watch};
#[cfg(feature = "otlp")]
pub(super) use exporter::Exporter;
#[cfg(feature = "otlp")]
pub(super) use requests::watch;
