//! The definition of a job: plain values and rules without any input or output. Imports nothing
//! else of this crate and must never learn about Postgres, HTTP or the clock of a machine.

pub mod after;
pub mod alert;
pub mod attempt;
pub mod document;
pub mod event;
pub mod file_name;
pub mod limit;
pub mod limits;
pub mod new;
pub mod number;
pub mod priority;
pub mod schedule;
pub mod settings;
pub mod state;
pub mod text;
pub mod trace;
pub mod unique;
pub mod workflow;
