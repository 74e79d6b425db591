//! The command line of Tidemill and its settings. Reads the config and combines the roles of the
//! library; must contain no rules about jobs.

#![cfg_attr(not(test), warn(clippy::unwrap_used))]
#![warn(clippy::pedantic)]

pub mod cli;
pub mod config;
mod extensions;
mod left_out;

pub use extensions::extensions;
pub use tidemill_settings::configured::Extensions;
