//! Random pauses before a query is repeated, so that many processes do not repeat it at the same moment.

use std::time::Duration;

/// The pause, longer or shorter by up to a quarter.
pub(crate) fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(rand::random_range(0.75..1.25))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_differ_by_at_most_a_quarter() {
        let pauses: Vec<_> = (0..50).map(|_| jittered(Duration::from_secs(4))).collect();
        let bounds = Duration::from_secs(3)..=Duration::from_secs(5);
        assert!(pauses.iter().all(|pause| bounds.contains(pause)), "{pauses:?}");
        assert!(pauses.iter().any(|pause| *pause != pauses[0]));
    }
}
