//! Kills real processes with SIGKILL while clients enqueue and follow jobs, then holds the whole history
//! against the promises: what was acknowledged is done, nothing is finished twice, no reader missed an event.
//! `CHAOS_ROUNDS` says how many kills of each scenario (2; 10 for the full proof), `CHAOS_SEED` repeats a schedule.
#![cfg(target_os = "linux")]

#[path = "../shared/binary.rs"]
mod binary;
mod check;
mod executions;
mod faults;
mod findings;
mod history;
mod ledger;
mod liveness;
mod load;
mod outage;
mod processes;
mod readers;
mod workflows;

use std::time::{Duration, Instant};

use check::Evidence;
use faults::Victim;
use findings::Findings;
use history::History;
use ledger::Ledger;
use load::Load;
use processes::Mill;
use readers::Readers;

/// Two cores are shared by all that a scenario starts: one scenario at a time.
static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

const READERS: usize = 12;
const DRAIN_TIMEOUT: Duration = Duration::from_mins(3);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g1_a_worker_is_killed() {
    scenario(Victim::Worker).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_api_is_killed() {
    scenario(Victim::Api).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_is_killed() {
    scenario(Victim::Postgres).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_is_killed_at_once() {
    scenario(Victim::Everything).await;
}

async fn scenario(victim: Victim) {
    let _alone = ALONE.lock().await;
    let rounds: usize = from_environment("CHAOS_ROUNDS").unwrap_or(2);
    let seed: u64 = from_environment("CHAOS_SEED").unwrap_or_else(rand::random);
    println!("\n{victim:?}: {rounds} kills, CHAOS_SEED={seed}");
    let mut mill = Mill::start().await;
    let (to_readers, followed) = tokio::sync::mpsc::unbounded_channel();
    let readers = Readers::start(READERS, &mill.api_url(), followed);
    let load = Load::start(&mill.api_url(), &to_readers);
    // The readers end when no client can name a job any more.
    drop(to_readers);
    load.acknowledges(50).await;

    let fault_phase = faults::inflict(&mut mill, victim, rounds, seed).await;

    // Healed: the same clients must get through again before they stop.
    load.acknowledges(50).await;
    let sent = load.stop().await;
    drained(&mut mill).await;
    let follows = readers.stop().await;
    let history = History::read(&mill.database()).await;
    let ledger = Ledger::read(&mill.ledger());
    let left = mill.stop().await;

    let evidence = Evidence { history, sent, ledger, follows, kills: fault_phase.kills.clone() };
    let mut findings = Findings::default();
    check::judge(&mut findings, &evidence);
    check::vacuity(&mut findings, &evidence, victim, &fault_phase);
    findings.none("processes left behind", left);
    let passed = findings.print(&format!("kill -9 of {victim:?}, {rounds} rounds, seed {seed}"));
    assert!(passed, "see the table above; logs and ledger are kept in {}", mill.keep().display());
}

/// Waits until no job is live, and says what keeps it.
async fn drained(mill: &mut Mill) {
    let database = mill.database();
    let deadline = Instant::now() + DRAIN_TIMEOUT;
    loop {
        mill.supervise();
        let live = history::live(&database).await;
        if live == Some(0) {
            return;
        }
        if Instant::now() >= deadline {
            println!("{live:?} jobs are still live after {DRAIN_TIMEOUT:?}");
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn from_environment<T: std::str::FromStr>(name: &str) -> Option<T> {
    std::env::var(name).ok()?.parse().ok()
}
