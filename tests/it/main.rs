//! The integration tests: a file per verb, each against a real Postgres of their own. One binary, so
//! that the server starts once; every test has a database to itself and runs beside the others.

mod agent;
mod alerts;
mod api;
mod audit;
#[cfg(feature = "browser")]
#[path = "../shared/binary.rs"]
mod binary;
mod cancel;
mod claim;
mod claim_plan;
mod complete;
mod delete;
mod doctor;
mod durable;
mod enqueue;
mod example;
mod expiry;
mod explain;
mod extend;
mod failures;
mod heartbeat;
mod history;
mod idempotency;
mod interleavings;
mod limits;
mod listen;
mod log;
mod migrate;
mod notify_cut_off;
mod partitions;
mod pgbouncer;
mod pgpool;
mod producers;
mod queues;
mod report;
mod retry;
mod roles;
mod room;
mod scenarios;
mod schedules;
mod schema;
mod settle;
mod shutdown;
mod stats;
mod streams;
mod support;
mod sweep;
mod testing;
mod tidy;
mod unique;
mod values;
mod web_client;
mod whole_life;
mod worker;
mod workflows;
