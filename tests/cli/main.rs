//! The command line as a process of its own, against a small server that answers what a test wants.
//! What is judged is what a script sees: output, errors, exit codes, and the requests that were made.

#[path = "../shared/binary.rs"]
mod binary;
mod errors;
mod following;
mod jobs;
mod schedules;
mod server;
mod support;
