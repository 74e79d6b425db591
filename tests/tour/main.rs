//! The documents, tried out: the README's tour and the recipes for psql are run as they are printed, on a
//! `tidemill dev` as `make run` starts it. It must never try anything that a reader would not type.

#[path = "../shared/binary.rs"]
mod binary;
mod checkout;
mod commands;
mod conformance;
mod document;
mod examples;
mod extension;
mod lines;
mod protocol;
mod psql;
mod readme;
mod shell;
