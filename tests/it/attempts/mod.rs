//! Tests of what workers ask of the database for an attempt, from the claim to the end, and of the sweep.

mod claim;
mod claim_plan;
pub mod complete;
mod extend;
mod heartbeat;
mod interleavings;
mod register;
mod report;
mod settle;
mod sweep;
mod sweep_pauses;
