//! Runs jobs.

pub mod context;
pub mod handler;
pub mod testing;
