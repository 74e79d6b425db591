//! Starts with the program `docker compose`, for projects that need more of compose than the hub
//! itself supports. Must never pass on a secret of the worker.

mod compose_program;
mod start;

pub(crate) use self::compose_program::{NEEDS_PROGRAM, find};
pub(crate) use self::start::start;
