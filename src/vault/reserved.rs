//! The keys of objects that represent encrypted and stored values. A caller's value must never have
//! one.

use serde_json::{Map, Value};

use super::error::{Result, VaultError};

/// The key of an object that represents an encrypted value.
pub const SEALED: &str = "$sealed";
/// The key of an object that represents a value in object storage.
pub const STORED: &str = "$stored";

/// Whether `key` appears anywhere in the value.
#[must_use]
pub fn names(value: &Value, key: &str) -> bool {
    match value {
        Value::Object(fields) => names_in(fields, key),
        Value::Array(items) => items.iter().any(|item| names(item, key)),
        _ => false,
    }
}

fn names_in(fields: &Map<String, Value>, key: &str) -> bool {
    fields.contains_key(key) || fields.values().any(|field| names(field, key))
}

/// Refuses a caller's value that could be taken for an encrypted or stored one.
///
/// # Errors
/// For those.
pub fn refuse_reserved(value: &Value) -> Result<()> {
    refuse(|key| names(value, key))
}

/// As [`refuse_reserved`], for the fields of an object.
///
/// # Errors
/// For those.
pub fn refuse_reserved_in(fields: &Map<String, Value>) -> Result<()> {
    refuse(|key| names_in(fields, key))
}

fn refuse(has: impl Fn(&str) -> bool) -> Result<()> {
    let reserved = [SEALED, STORED].into_iter().find(|key| has(key));
    reserved.map_or(Ok(()), |key| Err(VaultError::Reserved(key)))
}
