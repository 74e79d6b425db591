//! Tidemill.

pub mod embedded;
