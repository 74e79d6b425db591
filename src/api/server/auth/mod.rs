//! Authentication and authorisation: keys, tokens, and the rule of every route. Must know of a job only its
//! id, owner and kind.

pub mod access;
pub mod api_key;
pub mod caller;
pub mod cookie;
pub mod credentials;
pub mod entrance;
pub mod gate;
mod lookups;
pub(crate) mod refused_keys;
pub mod session;
pub(crate) mod sessions;
pub mod stored_keys;
pub(crate) mod ticket;
pub mod token;
