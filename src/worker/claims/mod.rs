//! Claims: which queues a process serves, how many jobs it asks for at a time, and the slots that they run in. Knows
//! nothing of what a job does once it runs.

pub(super) mod claimer;
pub(super) mod follow;
mod pace;
pub(super) mod queue_cursor;
pub(super) mod queue_runner;
pub(super) mod queue_slots;
