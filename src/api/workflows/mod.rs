//! Routes of workflows.

pub(crate) mod request;
pub(crate) mod routes;
