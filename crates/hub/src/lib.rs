//! The hub: projects of containers that jobs build, start, stop, restart and read logs from, on a
//! Docker engine. Must never touch a project that the config does not name, or objects without its
//! label.

#![cfg_attr(not(test), warn(clippy::unwrap_used))]
#![warn(clippy::pedantic)]

mod build;
mod build_context;
mod by_program;
mod cancel;
mod compose;
mod containers;
mod dockerfile;
mod engine;
mod engine_error;
mod extension;
mod kind;
mod kind_names;
mod logs;
mod lookup;
mod output;
mod program;
mod progress_reports;
mod project;
mod recreate;
mod removal;
mod restart;
mod routes;
mod setting_types;
mod settings;
mod spec;
mod start;
mod stop;
mod wait;
mod work;

pub use extension::Hub;
pub use settings::{HubSection, ProjectSection};
