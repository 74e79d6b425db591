//! Routes of schedules.

pub(crate) mod request;
pub(crate) mod routes;
