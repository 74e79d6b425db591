//! Tasks that a model carries out in a browser. Must know nothing of the crawls in the same crate.

pub mod args;
mod chromium;
pub mod cookie;
mod done;
mod extension;
mod kind;
mod model;
mod observation;
mod page;
mod reading;
mod routes;
mod secret;
mod secret_mask;
mod settings;
mod spec;
mod step;
mod tools;

pub use self::extension::Agent;
pub use self::kind::AgentKind;
pub use self::spec::{AgentSpec, AgentSpecError};
pub use crate::browser::AllowedHosts;
