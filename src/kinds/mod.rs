//! Handlers that come with the binary; import only the public face of `worker`.

pub mod bughive;
pub mod command;
pub mod url;

mod channel;
mod lines;
