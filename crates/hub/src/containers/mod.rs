//! The containers of a project: finds, creates, recreates and removes them, and waits for them. Must
//! never touch a container of another project.

mod create;
pub(crate) mod lookup;
mod recreate;
pub(crate) mod removal;
pub(crate) mod wait;

pub(crate) use self::create::{networks_and_volumes, up};
