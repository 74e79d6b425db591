//! JSON as stored in Postgres, which can hold more than this process can read: numbers of any size
//! and any depth. One unreadable value must never affect the rows next to it, and no number may be
//! rounded silently.

use serde_json::value::RawValue;
use serde_json::{Value, json};
use sqlx::error::BoxDynError;
use sqlx::postgres::{PgTypeInfo, PgValueRef};
use sqlx::types::Json;
use sqlx::{Decode, Postgres, Type};

use crate::job::number::{Carried, with_lost_as_text};
use crate::store::Result;

/// A JSON value for people: a number that would lose digits becomes text, and an unreadable value becomes
/// an object with the reason under `unreadable`, because most fields promise an object.
#[derive(Debug)]
pub(crate) struct Readable(Value);

/// A JSON value for a handler: unchanged, or the reason why it cannot be read.
#[derive(Debug)]
pub(crate) struct Given(std::result::Result<Value, String>);

/// The details of Tidemill's own functions; a number that they computed may be rounded.
#[derive(Debug)]
pub(crate) struct Details(Value);

impl From<Readable> for Value {
    fn from(readable: Readable) -> Self {
        readable.0
    }
}

/// JSON null is `None`.
impl From<Readable> for Option<Value> {
    fn from(readable: Readable) -> Self {
        (!readable.0.is_null()).then_some(readable.0)
    }
}

/// An unreadable value becomes a text with the reason.
impl From<Given> for Value {
    fn from(given: Given) -> Self {
        given.0.unwrap_or_else(|error| Value::String(format!("[cannot be read: {error}]")))
    }
}

impl From<Details> for Value {
    fn from(details: Details) -> Self {
        details.0
    }
}

impl Readable {
    fn of(text: &str) -> Self {
        Self(serde_json::from_str(&with_lost_as_text(text)).unwrap_or_else(unreadable))
    }
}

impl Given {
    fn of(text: &str) -> Self {
        let carried = serde_json::from_str::<Carried>(text).map_err(|error| error.to_string());
        Self(carried.and_then(|carried| carried.kept().map_err(|error| error.to_string())))
    }

    /// The value.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) fn read(self) -> Result<Value> {
        self.0.map_err(|error| sqlx::Error::Decode(error.into()).into())
    }
}

impl Details {
    fn of(text: &str) -> Self {
        Self(serde_json::from_str(text).unwrap_or_else(unreadable))
    }
}

fn unreadable(error: impl std::fmt::Display) -> Value {
    json!({ "unreadable": error.to_string() })
}

fn text_of(value: PgValueRef<'_>) -> std::result::Result<&RawValue, BoxDynError> {
    let Json(raw) = <Json<&RawValue> as Decode<'_, Postgres>>::decode(value)?;
    Ok(raw)
}

/// Both types can represent any JSON of Postgres.
macro_rules! json_of_postgres {
    ($($name:ident),*) => {$(
        impl Type<Postgres> for $name {
            fn type_info() -> PgTypeInfo {
                <Json<Box<RawValue>> as Type<Postgres>>::type_info()
            }

            fn compatible(info: &PgTypeInfo) -> bool {
                <Json<Box<RawValue>> as Type<Postgres>>::compatible(info)
            }
        }

        impl<'r> Decode<'r, Postgres> for $name {
            fn decode(value: PgValueRef<'r>) -> std::result::Result<Self, BoxDynError> {
                Ok(Self::of(text_of(value)?.get()))
            }
        }
    )*};
}
json_of_postgres!(Readable, Given, Details);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_see_every_digit_and_handlers_get_none_that_is_wrong() {
        let exact = r#"{"id": 18446744073709551615, "n": 0.1, "big": 1e300}"#;
        let read: Value = serde_json::from_str(exact).unwrap();
        assert_eq!((Readable::of(exact).0, Given::of(exact).0), (read.clone(), Ok(read)));
        let long = r#"{"wei": 25000000000000000001, "n": 1}"#;
        assert_eq!(Readable::of(long).0, json!({"wei": "25000000000000000001", "n": 1}));
        let shown = Value::from(Given::of(long));
        assert!(shown.as_str().unwrap().contains("25000000000000000001"), "{shown}");
        let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
        let shown = Readable::of(&deep).0;
        assert!(shown["unreadable"].as_str().unwrap().starts_with("recursion"), "{shown}");
        let shown = Value::from(Given::of(&deep));
        assert!(shown.as_str().unwrap().starts_with("[cannot be read: recursion"), "{shown}");
    }
}
