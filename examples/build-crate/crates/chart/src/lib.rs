//! Draws the tide with characters, an hour a line.

use clock::Span;
use curve::Curve;

const WIDTH: f64 = 60.0;

/// The curve over `span`, with the turns of the tide marked.
pub fn draw(curve: &Curve, span: Span) -> String {
    let heights = || span.every_minutes(60).map(|at| (at, curve.height(at)));
    let low = heights().map(|(_, height)| height).fold(f64::INFINITY, f64::min);
    let high = heights().map(|(_, height)| height).fold(f64::NEG_INFINITY, f64::max);
    let turns = extremes::between(curve, span);
    let mut text = String::new();
    for (at, height) in heights() {
        let column = ((height - low) / (high - low) * WIDTH).round() as usize;
        let turn = turns.iter().any(|water| (water.at.0 - at.0).abs() <= 0.5);
        text += &format!("{at} {}{}\n", "~".repeat(column), if turn { '*' } else { ' ' });
    }
    text
}
