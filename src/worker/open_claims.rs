//! The claims of short jobs whose row is still in the database, with the number of their attempts that need it. A claim
//! is removed only when each of its attempts has a stored outcome or is in `running`: whatever else becomes of an
//! attempt, the sweep finds it by that row.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use uuid::Uuid;

#[derive(Debug, Default)]
pub(super) struct OpenClaims {
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    /// By lease.
    attempts: HashMap<Uuid, usize>,
    ended: Vec<Uuid>,
}

impl OpenClaims {
    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An attempt begins under this lease. All attempts of a claim are added before the first one can end.
    pub(super) fn add(&self, lease_id: Uuid) {
        *self.open().attempts.entry(lease_id).or_default() += 1;
    }

    /// An attempt under this lease needs the claim no longer.
    pub(super) fn end(&self, lease_id: Uuid) {
        let mut open = self.open();
        let Some(attempts) = open.attempts.get_mut(&lease_id) else { return };
        *attempts -= 1;
        if *attempts == 0 {
            open.attempts.remove(&lease_id);
            open.ended.push(lease_id);
        }
    }

    /// The claims that no attempt needs any more; each is returned once.
    pub(super) fn take_ended(&self) -> Vec<Uuid> {
        std::mem::take(&mut self.open().ended)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_ends_with_its_last_attempt_and_once() {
        let claims = OpenClaims::default();
        let [first, second] = [1, 2].map(Uuid::from_u128);
        for lease in [first, first, second] {
            claims.add(lease);
        }
        claims.end(first);
        assert!(claims.take_ended().is_empty());
        claims.end(first);
        claims.end(first);
        assert_eq!(claims.take_ended(), [first]);
        assert!(claims.take_ended().is_empty());
    }
}
