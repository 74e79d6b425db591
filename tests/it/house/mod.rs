//! Tests of the source itself: its layout, its public names, and what the documents promise of it.

mod circles;
mod documents;
mod lengths;
mod public_names;
mod scenarios;
mod sql;
pub mod tidy;
mod type_names;
