//! The integration tests: a file per verb, each against a real Postgres of their own. One binary, so
//! that the server starts once; every test has a database to itself and runs beside the others.

mod alerts;
mod api;
mod attempts;
mod audit;
#[path = "../shared/binary.rs"]
mod binary;
mod database;
mod doctor;
mod durable;
mod failures;
mod house;
mod jobs;
mod limits;
mod operations;
mod process;
mod report;
mod rights;
#[path = "../shared/s3.rs"]
mod s3;
mod schedules;
mod secrecy;
mod streams;
mod support;
mod unique;
mod values;
mod worker;
mod workflows;
