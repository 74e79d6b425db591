//! How far a reader of many jobs is, as the `id:` of its frames: opaque to the reader, and checked
//! when it comes back. Must never be trusted for more than a position.

use std::collections::BTreeMap;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use uuid::Uuid;

const VERSION: u8 = 1;
const CHECK_BYTES: usize = 4;
/// Longer than any cursor of ours, in characters.
const MOST_CHARACTERS: usize = 6 * 1024;

/// How far the reader is in one job.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Place {
    /// It has seen everything up to this event.
    pub seq: i64,
    /// It has seen the end.
    pub ended: bool,
}

/// The places in all jobs of a stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cursor {
    /// In the jobs that the request names, in its order.
    pub named: Vec<(Uuid, Place)>,
    /// In the jobs that a queue or kind brought and that are not over.
    pub followed: BTreeMap<Uuid, i64>,
}

impl Cursor {
    /// The beginning of every named job.
    #[must_use]
    pub fn start(named: &[Uuid]) -> Self {
        Self { named: named.iter().map(|id| (*id, Place::default())).collect(), followed: BTreeMap::new() }
    }

    /// The text for the reader to come back with.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut bytes = vec![VERSION];
        // The request names the jobs again when the reader comes back, so their places are enough.
        for (_, place) in &self.named {
            put(&mut bytes, place.seq.unsigned_abs() << 1 | u64::from(place.ended));
        }
        for (job_id, seq) in &self.followed {
            bytes.extend_from_slice(job_id.as_bytes());
            put(&mut bytes, seq.unsigned_abs());
        }
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
            let place = Place { seq: i64::try_from(value >> 1).ok()?, ended: value & 1 == 1 };
            cursor.named.push((*job_id, place));
        }
        while !rest.is_empty() {
            let (job_id, behind) = rest.split_at_checked(16)?;
            rest = behind;
            let seq = i64::try_from(take(&mut rest)?).ok()?;
            cursor.followed.insert(Uuid::from_slice(job_id).ok()?, seq);
        }
        Some(cursor)
    }
}

/// Finds slips (a cursor of another request, a cut one); it is no secret.
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
        let mut cursor = Cursor::start(&named);
        for (index, (_, place)) in cursor.named.iter_mut().enumerate() {
            *place = Place { seq: i64::try_from(index * index * 1000).unwrap(), ended: index % 3 == 0 };
        }
        cursor.named[0].1.seq = i64::MAX >> 1;
        cursor.followed = (0..100).map(|index| (Uuid::now_v7(), index * 1_000_000)).collect();
        let text = cursor.encode();
        assert!(text.len() < 4096, "{}", text.len());
        assert_eq!(Cursor::decode(&text, &named), Some(cursor));
    }

    #[test]
    fn what_is_not_ours_is_refused() {
        let named = [Uuid::now_v7(), Uuid::now_v7()];
        let text = Cursor::start(&named).encode();
        assert!(Cursor::decode(&text, &named).is_some());
        assert_eq!(Cursor::decode(&text, &[named[1], named[0]]), None);
        assert_eq!(Cursor::decode(&text, &named[..1]), None);
        assert_eq!(Cursor::decode(&text[1..], &named), None);
        for bad in ["", "0", "7", "AAAA", "AAAAAAAA", "ä", "!", &"A".repeat(10_000)] {
            assert_eq!(Cursor::decode(bad, &named), None, "{bad}");
        }
    }
}
