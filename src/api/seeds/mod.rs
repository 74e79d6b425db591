//! Routes with the shapes of systems that run here: a file a system. Must do nothing that the other routes cannot.

pub(super) mod bughive;
