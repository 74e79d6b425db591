//! The hub's section of the config and its types. Must know no job.

mod section;
mod types;

pub use self::section::{HubSection, ProjectSection};
pub(crate) use self::section::{check, read_project, same_name};
pub(crate) use self::types::ComposeWay;
