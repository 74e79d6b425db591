//! Finds high and low waters.

use clock::{Hours, Span};
use curve::Curve;

const STEP_MINUTES: u32 = 6;

/// A turn of the tide.
#[derive(Debug, Clone, Copy)]
pub struct Water {
    pub high: bool,
    pub at: Hours,
    pub metres: f64,
}

/// All turns of the tide in `span`, in order.
pub fn between(curve: &Curve, span: Span) -> Vec<Water> {
    let times: Vec<Hours> = span.every_minutes(STEP_MINUTES).collect();
    let mut waters = Vec::new();
    for three in times.windows(3) {
        let [before, at, after] = [three[0], three[1], three[2]].map(|time| curve.height(time));
        let high = at > before && at >= after;
        let low = at < before && at <= after;
        if high || low {
            waters.push(Water { high, at: three[1], metres: at });
        }
    }
    waters
}
