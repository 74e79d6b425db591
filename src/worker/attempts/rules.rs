//! The consequence of a failed attempt by the rules of its kind, as the worker that ran it knows
//! them: another worker may have other rules for the same kind. Counts no attempts; the database
//! does.

use std::time::Duration;

use super::ending::Ending;
use crate::job::settings::KindSettings;

/// The outcome of an attempt with the delay before the next one, or marked as permanent.
pub(in crate::worker) fn ruled(mut ending: Ending, settings: &KindSettings, attempt: i32) -> Ending {
    let Ending::Settled(settled) = &mut ending else { return ending };
    let Some(error) = settled.error.as_mut().filter(|error| error.is_object()) else { return ending };
    let class = error["type"].as_str().unwrap_or_default();
    if settings.permanent_errors.iter().any(|permanent| permanent == class) {
        error["permanent"] = true.into();
    }
    let asked = error.get("retry_after_seconds").and_then(serde_json::Value::as_f64);
    let asked = asked.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    settled.delay = Some(asked.unwrap_or_else(|| settings.backoff.after(attempt)));
    ending
}
