//! What the routes are told of the settings.

/// Whether tasks are taken in: there is a model to do them.
#[derive(Debug, Clone, Copy)]
pub(in crate::agent) struct HasModel(pub(in crate::agent) bool);
