//! How much stronger or weaker wave K1 is than in the mean, as the moon's path turns.

include!(concat!(env!("OUT_DIR"), "/weeks.rs"));

/// The factor at an hour since the beginning.
pub fn factor(hour: f64) -> f64 {
    let week = (hour / 168.0).max(0.0);
    WEEKS[week as usize % WEEKS.len()](hour % 168.0)
}
