//! The verbs of workers: claim, heartbeat, report, end. Every write carries its lease, and a write
//! without a valid lease changes nothing.

pub mod artifacts;
pub mod children;
pub mod claim;
pub mod claim_limited;
pub mod complete;
pub(crate) mod deadlines;
pub mod due;
pub mod ended_attempt;
pub mod extend;
pub mod heartbeat;
pub mod list;
pub mod register;
pub mod remote_worker;
pub mod replayed_outcome;
pub mod report;
pub mod settle;
pub mod signals;
pub mod steps;
pub mod sweep;
pub mod workers;
