//! The position of a reader of many jobs, as the `id:` of its frames: opaque to the reader, and checked when
//! it reconnects. Must never be used for anything but a position.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use chrono::DateTime;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::feed;
use crate::store::jobs::feed::Horizon;

const VERSION: u8 = 2;
const CHECK_BYTES: usize = 4;
/// Longer than any valid cursor, in characters.
const MOST_CHARACTERS: usize = 12 * 1024;
/// The part of a cursor after the positions of the named jobs.
const NO_FEED: u64 = 0;
const BETWEEN_PAGES: u64 = 1;
const WITHIN_A_PAGE: u64 = 2;

/// The position of the reader in one job.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct JobPosition {
    /// It has seen everything up to this event.
    pub seq: i64,
    /// It has seen the end.
    pub ended: bool,
}

/// The positions in all jobs of a stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StreamCursor {
    /// The positions in the named jobs, in the order of the request.
    pub named: Vec<(Uuid, JobPosition)>,
    /// The position in the feed, if the request follows queues, kinds or all jobs.
    pub feed: Option<feed::FeedPosition>,
}

impl StreamCursor {
    /// The beginning of every named job.
    #[must_use]
    pub fn start(named: &[Uuid]) -> Self {
        Self { named: named.iter().map(|id| (*id, JobPosition::default())).collect(), feed: None }
    }

    /// The text with which the reader reconnects.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut bytes = vec![VERSION];
        // The request names the jobs again when the reader comes back, so their places are enough.
        for (_, place) in &self.named {
            put(&mut bytes, place.seq.unsigned_abs() << 1 | u64::from(place.ended));
        }
        put_feed(&mut bytes, self.feed.as_ref());
        let check = check(&bytes, self.named.iter().map(|(id, _)| id));
        bytes.extend_from_slice(&check);
        BASE64_URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads a cursor that was made for a request that named the same jobs in the same order.
    #[must_use]
    pub fn decode(text: &str, named: &[Uuid]) -> Option<Self> {
        if text.len() > MOST_CHARACTERS {
            return None;
        }
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).ok()?;
        let (payload, found) = bytes.split_at_checked(bytes.len().checked_sub(CHECK_BYTES)?)?;
        if found != check(payload, named.iter()) {
            return None;
        }
        let mut rest = payload.strip_prefix(&[VERSION])?;
        let mut cursor = Self::default();
        for job_id in named {
            let value = take(&mut rest)?;
            let place = JobPosition { seq: i64::try_from(value >> 1).ok()?, ended: value & 1 == 1 };
            cursor.named.push((*job_id, place));
        }
        let sort = take(&mut rest)?;
        if sort != NO_FEED {
            cursor.feed = Some(take_feed(sort, &mut rest)?);
        }
        rest.is_empty().then_some(cursor)
    }
}

fn put_feed(bytes: &mut Vec<u8>, place: Option<&feed::FeedPosition>) {
    let Some(place) = place else { return put(bytes, NO_FEED) };
    put(bytes, if place.within.is_some() { WITHIN_A_PAGE } else { BETWEEN_PAGES });
    bytes.extend_from_slice(&place.era.to_le_bytes());
    put(bytes, place.at.timestamp_micros().unsigned_abs());
    put_horizon(bytes, &place.horizon);
    if let Some((target, (at, job_id, rank))) = &place.within {
        put_horizon(bytes, target);
        put(bytes, at.unsigned_abs());
        bytes.extend_from_slice(job_id.as_bytes());
        bytes.extend_from_slice(&rank.to_le_bytes());
    }
}

fn take_feed(sort: u64, rest: &mut &[u8]) -> Option<feed::FeedPosition> {
    let era = u64::from_le_bytes(take_bytes(rest)?);
    let at = DateTime::from_timestamp_micros(take_number(rest)?)?;
    let horizon = take_horizon(rest)?;
    let within = match sort {
        BETWEEN_PAGES => None,
        WITHIN_A_PAGE => {
            let target = take_horizon(rest)?;
            let at = take_number(rest)?;
            let job_id = Uuid::from_bytes(take_bytes(rest)?);
            Some((target, (at, job_id, i64::from_le_bytes(take_bytes(rest)?))))
        }
        _ => return None,
    };
    Some(feed::FeedPosition { era, at, horizon, within })
}

/// The open transactions are only a little below `below`, so their distances need few bytes.
fn put_horizon(bytes: &mut Vec<u8>, horizon: &Horizon) {
    put(bytes, horizon.below.unsigned_abs());
    put(bytes, horizon.open.len() as u64);
    for open in &horizon.open {
        put(bytes, horizon.below.abs_diff(*open));
    }
}

fn take_horizon(rest: &mut &[u8]) -> Option<Horizon> {
    let below = take_number(rest)?;
    let mut open = Vec::new();
    for _ in 0..take(rest)? {
        open.push(below.checked_sub(take_number(rest)?)?);
    }
    Some(Horizon { below, open })
}

fn take_number(rest: &mut &[u8]) -> Option<i64> {
    i64::try_from(take(rest)?).ok()
}

fn take_bytes<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (bytes, behind) = rest.split_first_chunk()?;
    *rest = behind;
    Some(*bytes)
}

/// Detects mistakes (a cursor of another request, a truncated one); it is not a secret.
fn check<'a>(payload: &[u8], named: impl Iterator<Item = &'a Uuid>) -> [u8; CHECK_BYTES] {
    let mut hash = Sha256::new_with_prefix(payload);
    named.for_each(|id| hash.update(id.as_bytes()));
    let digest = hash.finalize();
    std::array::from_fn(|index| digest[index])
}

/// Writes a number in as few bytes as it needs (LEB128).
fn put(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    bytes.push(number.to_le_bytes()[0]);
}

fn take(rest: &mut &[u8]) -> Option<u64> {
    let mut number: u64 = 0;
    for shift in (0..64).step_by(7) {
        let (byte, behind) = rest.split_first()?;
        *rest = behind;
        number |= u64::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_comes_back_as_it_was() {
        let named: Vec<Uuid> = (0..200).map(|_| Uuid::now_v7()).collect();
        let mut cursor = StreamCursor::start(&named);
        for (index, (_, place)) in cursor.named.iter_mut().enumerate() {
            *place = JobPosition { seq: i64::try_from(index * index * 1000).unwrap(), ended: index % 3 == 0 };
        }
        cursor.named[0].1.seq = i64::MAX >> 1;
        let horizon =
            |below: i64| Horizon { below, open: (1..300).map(|index| below - 3000 + index * 7).collect() };
        let key = (1_700_000_000_000_000, Uuid::now_v7(), -2);
        let between = feed::FeedPosition {
            era: u64::MAX - 7,
            at: DateTime::from_timestamp_micros(1_700_000_000_123_456).unwrap(),
            horizon: horizon(1 << 40),
            within: None,
        };
        let within = feed::FeedPosition { within: Some((horizon((1 << 40) + 9), key)), ..between.clone() };
        for feed in [None, Some(between), Some(within)] {
            cursor.feed = feed;
            let text = cursor.encode();
            assert!(text.len() < 4096, "{}", text.len());
            assert_eq!(StreamCursor::decode(&text, &named).as_ref(), Some(&cursor));
        }
    }

    #[test]
    fn what_is_not_ours_is_refused() {
        let named = [Uuid::now_v7(), Uuid::now_v7()];
        let text = StreamCursor::start(&named).encode();
        assert!(StreamCursor::decode(&text, &named).is_some());
        assert_eq!(StreamCursor::decode(&text, &[named[1], named[0]]), None);
        assert_eq!(StreamCursor::decode(&text, &named[..1]), None);
        assert_eq!(StreamCursor::decode(&text[1..], &named), None);
        for bad in ["", "0", "7", "AAAA", "AAAAAAAA", "ä", "!", &"A".repeat(10_000)] {
            assert_eq!(StreamCursor::decode(bad, &named), None, "{bad}");
        }
    }
}
