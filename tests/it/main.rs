//! The integration tests: a file per verb, each against a real Postgres of their own. One binary, so
//! that the server starts once; every test has a database to itself and runs beside the others.

mod api;
mod cancel;
mod claim;
mod claim_plan;
mod complete;
mod delete;
mod durable;
mod enqueue;
mod expiry;
mod extend;
mod heartbeat;
mod idempotency;
mod interleavings;
mod limits;
mod listen;
mod migrate;
mod notify_cut_off;
mod partitions;
mod pgbouncer;
mod producers;
mod queues;
mod report;
mod retry;
mod schedules;
mod schema;
mod settle;
mod shutdown;
mod streams;
mod support;
mod sweep;
mod tidy;
mod unique;
mod whole_life;
mod worker;
mod workflows;
