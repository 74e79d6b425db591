//! The hub: projects of containers that jobs build, start, stop, restart and read logs from, on a
//! Docker engine. Must never touch a project that neither the config nor the API names, or objects without its
//! label.

#![cfg_attr(not(test), warn(clippy::unwrap_used))]
#![warn(clippy::pedantic)]

mod cancel;
mod catalog;
mod compose;
mod containers;
mod engine;
mod engine_error;
mod extension;
mod images;
mod kind;
mod kind_names;
mod logs;
mod output;
mod program;
mod progress_reports;
mod project;
mod restart;
mod routes;
mod settings;
mod spec;
mod start;
mod stop;
mod work;

pub use extension::Hub;
pub use settings::{HubSection, ProjectSection};
