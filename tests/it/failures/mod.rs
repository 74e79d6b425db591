//! Failures: the rules of a kind, what is recorded of attempts, causes, redrive, and kinds that crash in a
//! loop.

mod breaker;
mod causes;
mod policies;
mod redrive;
