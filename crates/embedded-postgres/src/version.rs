//! The versions of Postgres that can be used.

/// The oldest major version of Postgres that tidemill works with.
pub(super) const OLDEST_MAJOR: u32 = 15;
