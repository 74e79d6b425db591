//! Sends spans over OTLP (HTTP, protobuf), in batches from a thread of its own. A receiver that is away costs
//! spans, never a job.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use opentelemetry::trace::{SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_otlp::SpanExporter;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{BatchSpanProcessor, SpanData, SpanEvents, SpanLinks, SpanProcessor};
use tidemill::job::trace::TraceParent;
use tidemill::metrics::AttemptOutcome;
use tidemill::spans::{SpanSink, export_to};
use tidemill::store::attempts::ended_attempt::EndedAttempt;

use super::wanted::is_wanted;

/// How long the last spans may take at the end of the process.
const CLOSE_WITHIN: Duration = Duration::from_secs(3);

/// Sends spans; cheap to clone.
#[derive(Debug, Clone)]
pub(in crate::cli::process) struct Exporter(Arc<BatchSpanProcessor>);

/// A span that has ended.
pub(super) struct EndedSpan {
    pub(super) own: TraceParent,
    pub(super) parent: Option<TraceParent>,
    pub(super) kind: SpanKind,
    pub(super) name: String,
    pub(super) since: SystemTime,
    pub(super) until: SystemTime,
    pub(super) attributes: Vec<KeyValue>,
    pub(super) status: Status,
}

impl Exporter {
    /// Starts it if the environment names a receiver.
    pub(in crate::cli::process) fn start() -> Option<Self> {
        if !is_wanted() {
            return None;
        }
        // The client of the exporter is made before any other.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let exporter = match SpanExporter::builder().with_http().build() {
            Ok(exporter) => exporter,
            Err(error) => {
                tracing::warn!(%error, "no traces are exported: the OTEL_EXPORTER_OTLP_* variables are not valid");
                return None;
            }
        };
        let mut processor = BatchSpanProcessor::builder(exporter).build();
        processor.set_resource(&resource());
        let exporter = Self(Arc::new(processor));
        export_to(Box::new(exporter.clone()));
        tracing::info!("traces are exported over OTLP");
        Some(exporter)
    }

    /// Sends what is left.
    pub(in crate::cli::process) async fn close(self) {
        let sent = tokio::task::spawn_blocking(move || self.0.shutdown_with_timeout(CLOSE_WITHIN));
        if let Ok(Err(error)) = sent.await {
            tracing::warn!(%error, "the last spans could not be exported");
        }
    }

    pub(super) fn send(&self, ended: EndedSpan) {
        if !ended.own.is_recorded() {
            return;
        }
        self.0.on_end(SpanData {
            span_context: SpanContext::new(
                TraceId::from(ended.own.trace_id),
                SpanId::from(ended.own.span_id),
                TraceFlags::SAMPLED,
                false,
                TraceState::default(),
            ),
            parent_span_id: ended.parent.map_or(SpanId::INVALID, |parent| SpanId::from(parent.span_id)),
            parent_span_is_remote: ended.parent.is_some(),
            span_kind: ended.kind,
            name: ended.name.into(),
            start_time: ended.since,
            end_time: ended.until,
            attributes: ended.attributes,
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: ended.status,
            instrumentation_scope: InstrumentationScope::builder("tidemill")
                .with_version(env!("CARGO_PKG_VERSION"))
                .build(),
        });
    }
}

impl SpanSink for Exporter {
    fn attempt(&self, ended: &EndedAttempt, outcome: AttemptOutcome) {
        let (parent, own) = ended.spans();
        let failed = matches!(outcome, AttemptOutcome::Failed | AttemptOutcome::Retried);
        self.send(EndedSpan {
            own,
            parent,
            kind: SpanKind::Consumer,
            name: format!("run {}", ended.kind),
            since: ended.started_at.into(),
            until: ended.ended_at.max(ended.started_at).into(),
            attributes: vec![
                KeyValue::new("messaging.system", "tidemill"),
                KeyValue::new("messaging.operation.type", "process"),
                KeyValue::new("messaging.destination.name", ended.queue.clone()),
                KeyValue::new("messaging.message.id", ended.job_id.to_string()),
                KeyValue::new("tidemill.kind", ended.kind.clone()),
                KeyValue::new("tidemill.attempt", i64::from(ended.attempt)),
                KeyValue::new("tidemill.outcome", outcome.word()),
            ],
            // Not the error itself: it may hold what only the dashboard redacts.
            status: if failed { Status::error(outcome.word()) } else { Status::Unset },
        });
    }
}

/// What the variables say of this service; its name is `tidemill` unless they have one.
fn resource() -> Resource {
    let names = |variable: &str, word: &str| std::env::var(variable).is_ok_and(|value| value.contains(word));
    let is_named = names("OTEL_SERVICE_NAME", "") || names("OTEL_RESOURCE_ATTRIBUTES", "service.name=");
    let resource =
        Resource::builder().with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")));
    if is_named { resource.build() } else { resource.with_service_name("tidemill").build() }
}
