//! Counts refused API keys by client address: logs them, and answers more slowly the more there
//! are. Bounded in memory and in log lines; must never store or log a key, or slow down a valid
//! key.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, sleep, sleep_until};

use crate::api::server::connection_limits::peer_of;
use crate::api::server::problem::{Case, Problem};

/// The least time of a refusal, so that the time does not reveal whether a key's id is known.
const FLOOR: Duration = Duration::from_millis(50);
/// How long refusals of an address count.
const WINDOW: Duration = Duration::from_mins(1);
/// The number of refusals in that time after which an address is slowed down.
const FREE: u32 = 50;
/// The further delay per refusal.
const STEP: Duration = Duration::from_millis(5);
/// How many addresses are remembered.
const ADDRESSES: usize = 1024;
/// How many requests may be delayed at once; more are refused.
const DELAYED_AT_ONCE: usize = 512;
/// How many unknown keys may be looked up at once.
const LOOKUPS: usize = 4;
/// How often an address is logged, and the most addresses logged in that time.
const LINE_EVERY: Duration = Duration::from_secs(10);
const LINES: u32 = 20;

/// The record of the refusals of a process.
#[derive(Debug)]
pub(crate) struct Refusals {
    slowest: Duration,
    book: Mutex<Book>,
    delayed: Semaphore,
    lookups: Semaphore,
}

#[derive(Debug, Default)]
struct Book {
    addresses: HashMap<IpAddr, Entry>,
    /// The time since which log lines are counted, and their number.
    lines: Option<(Instant, u32)>,
}

#[derive(Debug)]
struct Entry {
    since: Instant,
    count: u32,
    logged_at: Option<Instant>,
    unlogged: u32,
}

impl Refusals {
    /// No refusals yet; no address is delayed longer than `slowest`.
    pub(crate) fn new(slowest: Duration) -> Self {
        Self {
            slowest,
            book: Mutex::default(),
            delayed: Semaphore::new(DELAYED_AT_ONCE),
            lookups: Semaphore::new(LOOKUPS),
        }
    }

    /// Delays a request with a key that is not known to be valid, by the earlier refusals of its address.
    pub(crate) async fn hold_up(&self, client: Option<IpAddr>) -> Result<(), Problem> {
        let delay = client.map_or(Duration::ZERO, |client| self.delay(peer_of(client)));
        if delay.is_zero() {
            return Ok(());
        }
        let Ok(_permit) = self.delayed.try_acquire() else {
            let detail = "Too many refused API keys came from this address.";
            return Err(Problem::new(Case::TooManyRequests, detail).retry_after(WINDOW));
        };
        sleep(delay).await;
        Ok(())
    }

    /// A permit to look up an unknown key.
    pub(crate) async fn lookup(&self) -> Option<SemaphorePermit<'_>> {
        self.lookups.acquire().await.ok()
    }

    /// Records the refusal of a request that began at `began`, and returns when it may be answered.
    pub(crate) async fn refused(&self, client: Option<IpAddr>, began: Instant) {
        if let Some(client) = client {
            self.note(peer_of(client));
        }
        if !self.slowest.is_zero() {
            sleep_until(began + FLOOR).await;
        }
    }

    fn delay(&self, peer: IpAddr) -> Duration {
        let book = self.book.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = book.addresses.get(&peer).filter(|entry| entry.since.elapsed() < WINDOW);
        let beyond = entry.map_or(0, |entry| entry.count.saturating_sub(FREE));
        STEP.saturating_mul(beyond).min(self.slowest)
    }

    fn note(&self, peer: IpAddr) {
        let mut book = self.book.lock().unwrap_or_else(PoisonError::into_inner);
        if book.addresses.len() >= ADDRESSES && !book.addresses.contains_key(&peer) {
            book.addresses.retain(|_, entry| entry.since.elapsed() < WINDOW);
            let oldest = book.addresses.iter().min_by_key(|(_, entry)| entry.since).map(|(peer, _)| *peer);
            if let Some(oldest) = oldest.filter(|_| book.addresses.len() >= ADDRESSES) {
                book.addresses.remove(&oldest);
            }
        }
        let now = Instant::now();
        let may_log = book.may_log(now);
        let fresh = || Entry { since: now, count: 0, logged_at: None, unlogged: 0 };
        let entry = book.addresses.entry(peer).or_insert_with(fresh);
        if now.duration_since(entry.since) >= WINDOW {
            *entry = Entry { logged_at: entry.logged_at, unlogged: entry.unlogged, ..fresh() };
        }
        entry.count += 1;
        entry.unlogged += 1;
        if may_log && entry.logged_at.is_none_or(|at| now.duration_since(at) >= LINE_EVERY) {
            tracing::warn!(address = %peer, refused = entry.unlogged, "requests with an API key that is unknown, revoked or expired");
            (entry.logged_at, entry.unlogged) = (Some(now), 0);
            book.logged();
        }
    }
}

impl Book {
    fn may_log(&mut self, now: Instant) -> bool {
        let (since, lines) = self.lines.get_or_insert((now, 0));
        if now.duration_since(*since) >= LINE_EVERY {
            (*since, *lines) = (now, 0);
        }
        *lines < LINES
    }

    fn logged(&mut self) {
        if let Some((_, lines)) = &mut self.lines {
            *lines += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_slowed_for_a_while_and_others_are_not() {
        let slowest = Duration::from_millis(500);
        let refusals = Refusals::new(slowest);
        let address = |last: u16| {
            let [high, low] = last.to_be_bytes();
            IpAddr::from([192, 0, high, low])
        };
        (0..FREE).for_each(|_| refusals.note(address(1)));
        assert_eq!(refusals.delay(address(1)), Duration::ZERO);
        refusals.note(address(1));
        assert_eq!(refusals.delay(address(1)), STEP);
        (0..200).for_each(|_| refusals.note(address(1)));
        assert_eq!((refusals.delay(address(1)), refusals.delay(address(2))), (slowest, Duration::ZERO));
        let before = Instant::now().checked_sub(WINDOW).unwrap();
        refusals.book.lock().unwrap().addresses.get_mut(&address(1)).unwrap().since = before;
        assert_eq!(refusals.delay(address(1)), Duration::ZERO, "it is forgotten");
        (0..3000).for_each(|last| refusals.note(address(last)));
        let book = refusals.book.lock().unwrap();
        assert!(book.addresses.len() <= ADDRESSES);
        assert!(book.lines.is_some_and(|(_, lines)| lines <= LINES));
    }
}
