//! One entry of a job's log before it has a number: its type and data. The database assigns the
//! number; this module must never invent one.

use serde_json::{Map, Value, json};

/// Types that the engine writes itself; a handler's own types must differ.
pub const RESERVED_TYPES: &[&str] = &[
    "snapshot",
    "reset",
    "progress",
    "log",
    "attempt_failed",
    "retry",
    "snoozed",
    "cancel_requested",
    "lease_lost",
    "released",
    "replaced",
    "extended",
    "expired",
    "step",
    "completed",
    "failed",
    "cancelled",
];

/// An event before it is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct EventDraft {
    /// The event's type, such as `progress` or `log`.
    pub kind: String,
    /// A JSON object.
    pub data: Value,
}

impl EventDraft {
    /// An event as it is.
    #[must_use]
    pub fn new(kind: impl Into<String>, data: Value) -> Self {
        Self { kind: kind.into(), data }
    }

    /// Progress; `percent` is clamped to 0–100, values that are `None` are left out.
    #[must_use]
    pub fn progress(percent: Option<f64>, step: Option<&str>, data: Option<Value>) -> Self {
        let mut fields = Map::new();
        if let Some(percent) = percent.filter(|percent| percent.is_finite()) {
            fields.insert("percent".into(), json!(percent.clamp(0.0, 100.0)));
        }
        if let Some(step) = step {
            fields.insert("step".into(), json!(step));
        }
        if let Some(data) = data {
            fields.insert("data".into(), data);
        }
        Self { kind: "progress".into(), data: Value::Object(fields) }
    }

    /// An event of a handler's own type; data that is not an object is put under `value`.
    #[must_use]
    pub fn custom(name: &str, data: Value) -> Self {
        let reserved = RESERVED_TYPES.contains(&name);
        let kind = if reserved { format!("custom_{name}") } else { name.to_owned() };
        let data = if data.is_object() { data } else { json!({ "value": data }) };
        Self { kind, data }
    }
}
