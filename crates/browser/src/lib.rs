//! Kinds that work in a browser: tasks that a model carries out (`agent`), and sites that are
//! crawled for bugs (`bughive`). Must reach Tidemill only as any other extension does.

#![cfg_attr(not(test), warn(clippy::unwrap_used))]
#![warn(clippy::pedantic)]

pub mod agent;
mod browser;
pub mod bughive;
