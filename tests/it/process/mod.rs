//! Tests of whole processes: how they start, stop, log and serve, and of the examples.

mod answering;
mod bench;
mod example;
mod log;
mod prometheus;
mod shutdown;
mod start;
mod supervised;
mod testing;
mod token;
mod traces;
mod web_client;
