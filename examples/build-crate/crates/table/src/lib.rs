//! The table: high and low waters, then the mill's hours.

use clock::Span;
use extremes::Water;

/// One line for every water and every shift.
pub fn lines(waters: &[Water], shifts: &[Span]) -> Vec<String> {
    let waters = waters.iter().map(|water| {
        let name = if water.high { "high" } else { "low " };
        format!("{name}  {}  {:5.2} m", water.at, water.metres)
    });
    let shifts = shifts.iter().map(|shift| format!("mill  {} to {}", shift.from, shift.to));
    waters.chain(shifts).collect()
}
