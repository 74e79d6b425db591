//! The whole report: a chart of the first day, the high and low waters, the mill's hours.

use clock::Span;
use curve::Curve;

use crate::arguments::Arguments;

/// Writes the report for `arguments`.
pub fn write(arguments: &Arguments) -> String {
    let curve = Curve::of(arguments.station);
    let span = Span::days(arguments.days);
    let waters = extremes::between(&curve, span);
    let shifts = mill::shifts(&curve, span, arguments.station.sill_metres);
    let chart = chart::draw(&curve, Span::days(1));
    let table = table::lines(&waters, &shifts).join("\n");
    format!("{}\n\n{chart}\n{table}\n", arguments.station.name)
}
