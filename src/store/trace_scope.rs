//! The trace that enqueued jobs continue: known for the time of one request or one call. Must never replace a
//! trace that the job names itself.

use serde_json::Value;

use crate::job::new::NewJob;
use crate::job::trace::{TRACEPARENT, TraceParent};

tokio::task_local! {
    static PARENT: TraceParent;
}

/// Runs `work`; the jobs that it prepares continue this trace.
pub async fn traced<F: Future>(parent: Option<TraceParent>, work: F) -> F::Output {
    match parent {
        Some(parent) => PARENT.scope(parent, work).await,
        None => work.await,
    }
}

/// The same for a call; a trace that the request around it named comes first.
pub(crate) fn traced_or<T>(parent: Option<TraceParent>, work: impl FnOnce() -> T) -> T {
    match parent {
        Some(parent) if PARENT.try_with(|_| ()).is_err() => PARENT.sync_scope(parent, work),
        _ => work(),
    }
}

/// Writes the trace into the job's metadata.
pub(super) fn inherit(job: &mut NewJob) {
    if let Ok(parent) = PARENT.try_with(ToString::to_string) {
        let metadata = job.metadata.get_or_insert_default();
        metadata.entry(TRACEPARENT).or_insert(Value::String(parent));
    }
}
