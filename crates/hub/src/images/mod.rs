//! The images of a project: which are pulled, which are built, and what in a Dockerfile needs more
//! than the engine's own builder. Must never start a container.

mod build;
mod build_context;
mod dockerfile;

pub(crate) use self::build::{Share, image_of, images};
pub(crate) use self::dockerfile::needs_buildkit;
