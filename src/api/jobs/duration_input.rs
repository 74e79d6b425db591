//! A duration in the body of a request.

use utoipa::ToSchema;

/// A duration as text such as `1h30m`, or as a number of seconds.
#[derive(ToSchema)]
#[schema(as = Duration)]
#[serde(untagged)]
pub enum DurationInput {
    /// Such as `30s`, `1h30m`, `2days`.
    Text(String),
    /// Seconds.
    Seconds(f64),
}
