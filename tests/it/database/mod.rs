//! Tests of Tidemill on the databases of others: their settings, roles, proxies, replicas, dumps and upgrades.

mod backup;
mod cost;
mod foreign_settings;
pub mod horizon;
mod hosts;
mod listen;
mod listeners;
mod migrate;
mod notify_cut_off;
mod page_costs;
pub mod partitions;
mod pgbouncer;
mod pgpool;
mod replication;
mod restore;
pub mod roles;
mod schema;
mod slow_statements;
pub mod whole_life;
