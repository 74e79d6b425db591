//! Command kinds against real processes: what they are given, what they say, and how they end.
//! Every test has a deadline; none takes a pause for a proof.

mod endings;
mod examples;
mod limits;
mod output;
mod support;
mod worker;
