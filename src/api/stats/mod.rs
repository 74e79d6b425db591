//! Routes of statistics, and their export.

pub(crate) mod export;
pub(crate) mod routes;
