//! The job that every test uses: small, as most jobs are.

use serde_json::json;
use tidemill::NewJob;

/// A new job of this kind with about 100 bytes of args.
pub(super) fn job(kind: &str) -> NewJob {
    let args = json!({ "user": 12_345, "action": "welcome", "pad": "x".repeat(60) });
    NewJob::new(kind, args.as_object().cloned().unwrap_or_default())
}
