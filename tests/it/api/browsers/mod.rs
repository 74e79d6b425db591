//! What a web page may do: the owners of jobs, the tokens for them, and the ways to send one.

mod activity;
mod cookies;
mod owners;
mod tickets;
mod token_matrix;
mod tokens;
