//! Runs jobs.

pub mod context;
pub mod handler;
