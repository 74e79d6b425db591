//! Makes text and JSON that came from a handler storable: Postgres refuses NUL in `text` and
//! `jsonb`. Must never fail and never lose more than it marks.

use serde_json::Value;

/// Replaces what Postgres cannot store in a JSON value: NUL becomes the visible text `\u0000`.
#[must_use]
pub fn storable_json(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(storable_text(text)),
        Value::Array(items) => Value::Array(items.into_iter().map(storable_json).collect()),
        Value::Object(fields) => Value::Object(
            fields.into_iter().map(|(key, value)| (storable_text(key), storable_json(value))).collect(),
        ),
        other => other,
    }
}

/// Replaces NUL by the visible text `\u0000`.
#[must_use]
pub fn storable_text(text: String) -> String {
    if text.contains('\0') { text.replace('\0', "\\u0000") } else { text }
}

/// Cuts `text` to at most `limit_bytes` at a character boundary and says so behind it.
#[must_use]
pub fn truncated(mut text: String, limit_bytes: usize) -> String {
    if text.len() <= limit_bytes {
        return text;
    }
    let full_bytes = text.len();
    let mut end = limit_bytes;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    text.push_str(&truncation_mark(full_bytes));
    text
}

/// What stands behind a text that was cut, so that nobody takes the part for the whole.
#[must_use]
pub fn truncation_mark(full_bytes: usize) -> String {
    format!("… [truncated, {full_bytes} bytes in all]")
}
