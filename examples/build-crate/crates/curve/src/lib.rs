//! The height of the water at any time: the sum of a station's waves.

use clock::Hours;
use station::Station;

/// A station's tide.
#[derive(Debug)]
pub struct Curve {
    station: &'static Station,
}

impl Curve {
    /// The tide of `station`.
    pub fn of(station: &'static Station) -> Self {
        Self { station }
    }

    /// Metres above the chart's zero.
    pub fn height(&self, at: Hours) -> f64 {
        let waves = self.station.constituents.iter().map(|wave| wave.height(at));
        self.station.mean_metres + waves.sum::<f64>()
    }
}
