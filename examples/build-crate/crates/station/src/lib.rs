//! The places that the table knows. Made-up numbers of a plausible size: not for navigation.

use harmonic::Constituent;
use harmonic::Wave::{K1, M2, M4, N2, O1, S2};

/// A place with a tide, and a mill.
#[derive(Debug)]
pub struct Station {
    pub name: &'static str,
    pub mean_metres: f64,
    /// Below this water outside, the pond behind the dam turns the wheel.
    pub sill_metres: f64,
    pub constituents: &'static [Constituent],
}

const fn wave(wave: harmonic::Wave, amplitude_metres: f64, phase_degrees: f64) -> Constituent {
    Constituent { wave, amplitude_metres, phase_degrees }
}

/// All stations.
pub static ALL: &[Station] = &[
    Station {
        name: "woodbridge",
        mean_metres: 2.1,
        sill_metres: 1.6,
        constituents: &[
            wave(M2, 1.45, 4.0),
            wave(S2, 0.38, 58.0),
            wave(N2, 0.26, 340.0),
            wave(M4, 0.14, 210.0),
        ],
    },
    Station {
        name: "eling",
        mean_metres: 2.6,
        sill_metres: 2.2,
        constituents: &[
            wave(M2, 1.35, 325.0),
            wave(S2, 0.42, 12.0),
            wave(K1, 0.09, 110.0),
            wave(M4, 0.25, 25.0),
        ],
    },
    Station {
        name: "birlot",
        mean_metres: 5.4,
        sill_metres: 4.7,
        constituents: &[
            wave(M2, 2.75, 140.0),
            wave(S2, 1.02, 185.0),
            wave(N2, 0.55, 121.0),
            wave(O1, 0.07, 320.0),
        ],
    },
];

/// The station of that name.
pub fn find(name: &str) -> Option<&'static Station> {
    ALL.iter().find(|station| station.name.eq_ignore_ascii_case(name))
}
