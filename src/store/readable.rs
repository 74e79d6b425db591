//! JSON as it lies in Postgres, which holds more than this process can read: numbers without bound and
//! any depth. One value that cannot be read must never take the rows beside it along.

use serde_json::Value;
use serde_json::value::RawValue;
use sqlx::error::BoxDynError;
use sqlx::postgres::{PgTypeInfo, PgValueRef};
use sqlx::types::Json;
use sqlx::{Decode, Postgres, Type};

/// A JSON value, or a text that says why it cannot be shown.
#[derive(Debug)]
pub(super) struct Readable(Value);

impl From<Readable> for Value {
    fn from(readable: Readable) -> Self {
        readable.0
    }
}

impl Type<Postgres> for Readable {
    fn type_info() -> PgTypeInfo {
        <Json<Box<RawValue>> as Type<Postgres>>::type_info()
    }

    fn compatible(info: &PgTypeInfo) -> bool {
        <Json<Box<RawValue>> as Type<Postgres>>::compatible(info)
    }
}

impl<'r> Decode<'r, Postgres> for Readable {
    fn decode(value: PgValueRef<'r>) -> Result<Self, BoxDynError> {
        let Json(raw) = <Json<Box<RawValue>> as Decode<Postgres>>::decode(value)?;
        let read = serde_json::from_str(raw.get());
        Ok(Self(read.unwrap_or_else(|error| Value::String(format!("[cannot be read: {error}]")))))
    }
}
