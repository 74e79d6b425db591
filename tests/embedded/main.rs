//! The embedded Postgres against real processes: starts, restarts, kills and every clear error. Each test has a data
//! folder of its own and waits for facts only.

mod refusals;
mod starts;
mod support;
