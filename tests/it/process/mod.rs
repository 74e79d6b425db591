//! Tests of whole processes: how they start, stop, log and serve, and of the examples.

mod example;
mod log;
mod shutdown;
mod start;
mod supervised;
mod testing;
mod web_client;
