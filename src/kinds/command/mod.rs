//! Jobs that run a program on this machine: args on its standard input, its output as the job's
//! log, JSON lines on file descriptor 3. Only commands in the config can ever be run, never through
//! a shell, and no process that they start outlives the attempt.

mod attempt;
mod cgroup;
pub mod child_program;
pub mod containment;
mod ended;
mod environment;
mod exit_status;
mod fork_exec;
pub(super) mod group;
mod limits;
mod mark;
mod memory;
mod orphan_killer;
mod pipes;
mod signal_handlers;
mod spawn;
mod spec;
mod stop;
pub mod strays;

pub use self::limits::ProcessLimits;
pub use self::spec::CommandSpec;
