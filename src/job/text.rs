//! Makes text and JSON from a handler storable: Postgres refuses NUL in `text` and `jsonb`, and
//! values nested too deeply could not be read again. Must never fail, and must mark everything that
//! it removes.

use serde_json::Value;

/// How deep a stored value may be nested; readers of JSON commonly stop at 128.
const DEPTH_LIMIT: usize = 100;

/// Replaces the parts of a JSON value that Postgres cannot store: NUL becomes the visible text `\u0000`,
/// and values deeper than 100 levels become a mark.
#[must_use]
pub fn storable_json(value: Value) -> Value {
    storable_below(value, DEPTH_LIMIT)
}

fn storable_below(value: Value, levels: usize) -> Value {
    match value {
        Value::String(text) => Value::String(storable_text(text)),
        Value::Array(_) | Value::Object(_) if levels == 0 => {
            Value::String(format!("[nested deeper than {DEPTH_LIMIT} levels]"))
        }
        Value::Array(items) => {
            Value::Array(items.into_iter().map(|item| storable_below(item, levels - 1)).collect())
        }
        Value::Object(fields) => Value::Object(
            fields
                .into_iter()
                .map(|(key, value)| (storable_text(key), storable_below(value, levels - 1)))
                .collect(),
        ),
        other => other,
    }
}

/// Replaces NUL by the visible text `\u0000`.
#[must_use]
pub fn storable_text(text: String) -> String {
    if text.contains('\0') { text.replace('\0', "\\u0000") } else { text }
}

/// Cuts `text` to at most `limit_bytes` at a character boundary and appends a note.
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

/// The note after a text that was cut, so that a reader does not take the part for the whole.
#[must_use]
pub fn truncation_mark(full_bytes: usize) -> String {
    format!("… [truncated, {full_bytes} bytes in all]")
}
