//! URL kinds against a server on this machine: what it is sent, and what its answers mean.

mod answers;
mod proxy;
mod streams;
mod support;
