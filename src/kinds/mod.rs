//! Handlers that come with the binary; import only the public face of `worker`.

#[cfg(feature = "browser")]
pub mod agent;
pub mod command;
pub mod url;

mod channel;
mod lines;
