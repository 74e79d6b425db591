//! Limits on connections: most for every request, some reserved for short requests, and one address
//! must never use all of either. Must never let a peer wait without an answer: a connection over
//! the limit is refused at once.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

use ipnet::IpNet;
use nix::sys::resource::{Resource, getrlimit};

/// The places reserved for short requests, in addition to the others.
const KEPT: usize = 256;
/// Files that a process opens in addition to the connections of its peers.
const OTHER_FILES: usize = 200;

/// Counts the places in use, for each key and in all. Keys without a place are not stored.
#[derive(Debug)]
pub(crate) struct Counts<K: Eq + Hash + Clone> {
    of: Arc<Mutex<(usize, HashMap<K, usize>)>>,
}

/// A counted place; dropping it frees the place.
#[derive(Debug)]
pub(crate) struct Place<K: Eq + Hash + Clone> {
    key: K,
    of: Arc<Mutex<(usize, HashMap<K, usize>)>>,
}

/// The limit that is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Full {
    /// The total limit is reached.
    All,
    /// The limit of this peer is reached.
    One,
}

impl<K: Eq + Hash + Clone> Default for Counts<K> {
    fn default() -> Self {
        Self { of: Arc::new(Mutex::new((0, HashMap::new()))) }
    }
}

impl<K: Eq + Hash + Clone> Counts<K> {
    /// Takes a place if there are fewer than `most` in all, and `most_of_one` of this key.
    pub(crate) fn take(&self, key: K, most: usize, most_of_one: usize) -> Result<Place<K>, Full> {
        let mut counts = self.of.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.1.get(&key).is_some_and(|of_one| *of_one >= most_of_one) || most_of_one == 0 {
            return Err(Full::One);
        }
        if counts.0 >= most {
            return Err(Full::All);
        }
        counts.0 += 1;
        *counts.1.entry(key.clone()).or_default() += 1;
        Ok(Place { key, of: Arc::clone(&self.of) })
    }
}

impl<K: Eq + Hash + Clone> Drop for Place<K> {
    fn drop(&mut self) {
        let mut counts = self.of.lock().unwrap_or_else(PoisonError::into_inner);
        counts.0 -= 1;
        if let Some(of_one) = counts.1.get_mut(&self.key) {
            *of_one -= 1;
            if *of_one == 0 {
                counts.1.remove(&self.key);
            }
        }
    }
}

/// The unit to which connections are counted: an address, or for IPv6 the /64 network of one customer.
pub(crate) fn peer_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
        address @ IpAddr::V4(_) => address,
    }
}

/// The place of a new connection.
#[derive(Debug)]
pub(crate) enum Seat {
    /// An ordinary place.
    Ordinary(#[expect(dead_code, reason = "held until it is dropped")] Place<IpAddr>),
    /// A reserved place: for one short request.
    Kept(#[expect(dead_code, reason = "held until it is dropped")] Place<IpAddr>),
}

/// The places of one listener.
#[derive(Debug, Default)]
pub(crate) struct Seats {
    most: usize,
    proxies: Vec<IpNet>,
    ordinary: Counts<IpAddr>,
    kept: Counts<IpAddr>,
}

impl Seats {
    /// This number of ordinary places, or as many as the limit of open files allows. Trusted proxies may
    /// use all of them.
    pub(crate) fn new(wanted: usize, proxies: Vec<IpNet>) -> Self {
        let files = getrlimit(Resource::RLIMIT_NOFILE).map_or(usize::MAX, |(soft, _)| {
            usize::try_from(soft).unwrap_or(usize::MAX).saturating_sub(KEPT + OTHER_FILES)
        });
        let most = wanted.min(files.max(16));
        if most < wanted {
            tracing::warn!(
                wanted,
                most,
                "the limit of open files (ulimit -n) allows fewer connections than api.max_connections"
            );
        }
        Self { most, proxies, ..Self::default() }
    }

    /// A place for a peer, if one is free: an ordinary place unless this peer has three quarters of them,
    /// otherwise a reserved place unless this peer has half of those.
    pub(crate) fn seat(&self, peer: IpAddr) -> Option<Seat> {
        let most_of_one = if self.is_proxy(peer) { self.most } else { (self.most * 3 / 4).max(1) };
        let key = peer_of(peer);
        match self.ordinary.take(key, self.most, most_of_one) {
            Ok(place) => Some(Seat::Ordinary(place)),
            Err(_) => self.kept.take(key, KEPT, KEPT / 2).ok().map(Seat::Kept),
        }
    }

    fn is_proxy(&self, peer: IpAddr) -> bool {
        self.proxies.iter().any(|proxy| proxy.contains(&peer.to_canonical()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_takes_not_all_places_and_some_are_kept() {
        let seats = Seats::new(8, vec!["10.0.0.0/8".parse().unwrap()]);
        let (one, other, proxy): (IpAddr, IpAddr, IpAddr) =
            ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap(), "10.1.2.3".parse().unwrap());
        let first: Vec<_> = (0..6 + KEPT / 2).map(|_| seats.seat(one).unwrap()).collect();
        assert_eq!(first.iter().filter(|seat| matches!(seat, Seat::Ordinary(_))).count(), 6);
        assert!(seats.seat(one).is_none());
        let second: Vec<_> = (0..3).map(|_| seats.seat(other).unwrap()).collect();
        assert!(matches!(second[1], Seat::Ordinary(_)) && matches!(second[2], Seat::Kept(_)));
        drop((first, second));
        let all: Vec<_> = (0..8).map(|_| seats.seat(proxy).unwrap()).collect();
        assert!(all.iter().all(|seat| matches!(seat, Seat::Ordinary(_))));
        drop(all);
        assert!(seats.ordinary.of.lock().unwrap().1.is_empty(), "a closed connection is forgotten");
    }

    #[test]
    fn a_peer_is_an_address_or_a_network() {
        let peer = |text: &str| peer_of(text.parse().unwrap()).to_string();
        assert_eq!(peer("::ffff:192.0.2.1"), "192.0.2.1");
        assert_eq!(peer("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
    }
}
