//! The HTTP role of a process.
