//! The parts of which a tide is the sum, each a wave with a period given by sun and moon.

use angle::Degrees;
use clock::Hours;

/// Which wave; the letters are the usual ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wave {
    M2,
    S2,
    N2,
    K1,
    O1,
    M4,
}

impl Wave {
    /// Degrees that it turns in an hour.
    pub fn speed(self) -> f64 {
        match self {
            Self::M2 => 28.984_104_2,
            Self::S2 => 30.0,
            Self::N2 => 28.439_729_5,
            Self::K1 => 15.041_068_6,
            Self::O1 => 13.943_035_6,
            Self::M4 => 57.968_208_4,
        }
    }

    /// How strong it is at a time, against its mean: the sun's waves stay the same.
    pub fn factor(self, at: Hours) -> f64 {
        match self {
            Self::M2 | Self::N2 => nodal_m2::factor(at.0),
            Self::M4 => nodal_m2::factor(at.0).powi(2),
            Self::K1 => nodal_k1::factor(at.0),
            Self::O1 => nodal_o1::factor(at.0),
            Self::S2 => 1.0,
        }
    }
}

/// One wave as it is seen at one place.
#[derive(Debug, Clone, Copy)]
pub struct Constituent {
    pub wave: Wave,
    pub amplitude_metres: f64,
    pub phase_degrees: f64,
}

impl Constituent {
    /// Its height above the mean.
    pub fn height(&self, at: Hours) -> f64 {
        let turned = Degrees::new(self.wave.speed() * at.0) + Degrees::new(-self.phase_degrees);
        self.amplitude_metres * self.wave.factor(at) * turned.cos()
    }
}
