//! The command line of Tidemill and its settings. Reads the config, puts the roles of the library together, and must
//! hold no rule about jobs itself.

#![cfg_attr(not(test), warn(clippy::unwrap_used))]
#![warn(clippy::pedantic)]

pub mod cli;
pub mod config;
