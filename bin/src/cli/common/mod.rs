//! The code that subcommands share: options, the client of a server, errors, input and output. Must not know
//! any subcommand.

pub(super) mod client;
pub(super) mod error;
pub(super) mod global_args;
pub(super) mod job_filter;
pub(super) mod json;
pub(super) mod output;
pub(super) mod settings;
pub(super) mod time;
