//! What the tests share: one Postgres a run, a database a test, and helpers that wait for facts.
//! Nothing here may wait for a fixed time as proof of anything.

mod bouncer;
pub(crate) mod cluster;
mod db;
pub(crate) mod keys;
mod locks;
mod mill;
mod pgpool;
mod proxy;
mod server;
mod statement;
mod workers;

use std::net::TcpListener;
use std::time::Duration;

use serde_json::{Map, Value, json};
use tidemill::{NewJob, Options};
use tokio::time::Instant;

pub(crate) use bouncer::Bouncer;
pub(crate) use db::{Db, states};
pub(crate) use locks::{Session, blocked_or_done};
pub(crate) use mill::{Mill, MillBuilder, MortalMill, ok};
pub(crate) use pgpool::Pgpool;
pub(crate) use proxy::Proxy;
pub(crate) use server::{server, settings};
pub(crate) use statement::statement;
pub(crate) use workers::idle_worker;

/// Everything on these machines happens within this time, or never.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// A port of loopback that nothing listens at.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// How a test reaches a database.
pub(crate) fn options(url: String) -> Options {
    Options { max_connections: 15, ..Options::new(url) }
}

/// Asks again and again until `fact` answers something.
pub(crate) async fn wait_for<T, F: Future<Output = Option<T>>>(what: &str, fact: impl FnMut() -> F) -> T {
    wait_at_most(DEADLINE, what, fact).await
}

/// As [`wait_for`], within a time that the test promises.
pub(crate) async fn wait_at_most<T, F: Future<Output = Option<T>>>(
    limit: Duration,
    what: &str,
    mut fact: impl FnMut() -> F,
) -> T {
    let until = Instant::now() + limit;
    loop {
        if let Some(answer) = fact().await {
            return answer;
        }
        assert!(Instant::now() < until, "not within {limit:?}: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A job of a kind with no args.
pub(crate) fn job(kind: &str) -> NewJob {
    NewJob::new(kind, Map::new())
}

/// A job that carries a number.
pub(crate) fn numbered(kind: &str, number: i64) -> NewJob {
    let Value::Object(args) = json!({ "n": number }) else { unreachable!() };
    NewJob::new(kind, args)
}
