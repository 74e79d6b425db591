//! When the mill grinds: while the water outside is so low that the pond runs off over the wheel.

use clock::Span;
use curve::Curve;

const STEP_MINUTES: u32 = 5;

/// The times in `span` with the water below `sill_metres`.
pub fn shifts(curve: &Curve, span: Span, sill_metres: f64) -> Vec<Span> {
    let mut shifts: Vec<Span> = Vec::new();
    let mut grinding = false;
    for at in span.every_minutes(STEP_MINUTES) {
        let low = curve.height(at) < sill_metres;
        match (grinding, low, shifts.last_mut()) {
            (true, true, Some(shift)) => shift.to = at,
            (false, true, _) => shifts.push(Span { from: at, to: at }),
            _ => {}
        }
        grinding = low;
    }
    shifts
}
