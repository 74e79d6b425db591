//! Settings that are JSON by nature: turns a table of a file into a JSON value and reads settings
//! from it. Must never accept a value that JSON cannot express.

use config::ValueKind;
use serde_json::{Map, Value};

use super::section::Table;
use super::value::Setting;
use tidemill::job::unique::Unique;

/// A JSON object as the table that a file could have in its place.
///
/// # Errors
/// When a number does not fit.
pub fn table(object: Map<String, Value>) -> Result<Table, serde_json::Error> {
    serde_json::from_value(Value::Object(object))
}

/// A value of a file as JSON; `None` where it has no like there.
#[must_use]
pub fn json(value: &ValueKind) -> Option<Value> {
    Some(match value {
        ValueKind::Nil => Value::Null,
        ValueKind::Boolean(value) => (*value).into(),
        ValueKind::I64(value) => (*value).into(),
        ValueKind::U64(value) => (*value).into(),
        ValueKind::Float(value) => serde_json::Number::from_f64(*value)?.into(),
        ValueKind::String(text) => text.clone().into(),
        ValueKind::Array(items) => {
            Value::Array(items.iter().map(|item| json(&item.kind)).collect::<Option<_>>()?)
        }
        ValueKind::Table(table) => {
            let entries = table.iter().map(|(key, value)| Some((key.clone(), json(&value.kind)?)));
            Value::Object(entries.collect::<Option<_>>()?)
        }
        ValueKind::I128(_) | ValueKind::U128(_) => return None,
    })
}

impl Setting for Unique {
    const IS_TABLE: bool = true;

    fn allowed() -> String {
        "a table of key, by, args, states, window, period, on_conflict and replace".into()
    }

    fn parse(text: &str) -> Option<Self> {
        Self::read(&serde_json::from_str(text).ok()?).ok()
    }

    fn from_value(value: &ValueKind) -> Option<Self> {
        match value {
            ValueKind::String(text) => Self::parse(text),
            table @ ValueKind::Table(_) => Self::read(&json(table)?).ok(),
            _ => None,
        }
    }
}
