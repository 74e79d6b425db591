//! The kinds of a web quality agent: crawl a site in a browser and find bugs, create tickets,
//! upload screenshots, and remove old sessions. Must never call anything that neither a job's args
//! nor the config names.

mod address;
mod browser_spec;
mod chromium;
pub mod cleanup;
pub mod crawl;
mod extension;
mod linear;
pub mod media;
mod routes;
mod rules;
mod session_id;
pub mod sessions;
mod settings;
pub mod ticket;

pub use browser_spec::BrowserSpec;
pub use extension::BugHive;
pub use rules::{CLEANUP, CRAWL, MEDIA, QUEUES, TICKET, rules};
