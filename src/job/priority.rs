//! The names of priorities, one list for every interface.

/// Claimed first.
pub const CRITICAL: i16 = 1;
/// Claimed before most jobs.
pub const HIGH: i16 = 3;
/// The default.
pub const NORMAL: i16 = 5;
/// Claimed when no other job is due.
pub const LOW: i16 = 7;

/// The priority of that name, in any case.
#[must_use]
pub fn named(name: &str) -> Option<i16> {
    let names = [("critical", CRITICAL), ("high", HIGH), ("normal", NORMAL), ("low", LOW)];
    names.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, priority)| priority)
}

#[cfg(test)]
mod tests {
    use super::named;

    #[test]
    fn names_are_known_in_any_case() {
        for (name, priority) in [("CRITICAL", 1), ("High", 3), ("normal", 5), ("LOW", 7)] {
            assert_eq!(named(name), Some(priority));
        }
        assert_eq!(named("urgent"), None);
    }
}
