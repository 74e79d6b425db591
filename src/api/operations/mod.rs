//! Operations: one action on all jobs that match a filter, carried out in the background, with a
//! report. Must never act itself: maintenance does.

pub(crate) mod filter;
mod request;
pub(crate) mod routes;
