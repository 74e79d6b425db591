//! Turns JSON from a caller into a checked value, or a problem that names the field and the remedy.
//! Must never build a value from bytes that `scan` has not checked.

pub mod body;
mod body_limits;
mod objects;
mod parse;
pub mod query;
mod scan;
mod storable;

pub use self::body::{Body, BodyLimit, OptionalBody, RawBody};
pub use self::body_limits::{BodyPlaces, hold_places};
pub(in crate::api) use self::parse::part;
pub use self::parse::{parse, split};
pub use self::query::Params;
pub use self::storable::parse_storable;
