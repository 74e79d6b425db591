//! Claims: the queues that a process serves, the number of jobs that it claims at once, and the slots in
//! which they run. Must know nothing of the attempt itself.

pub(super) mod claimer;
pub(super) mod follow;
mod pace;
pub(super) mod queue_cursor;
pub(super) mod queue_runner;
pub(super) mod queue_slots;
