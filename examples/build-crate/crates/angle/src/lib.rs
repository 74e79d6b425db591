//! Angles in degrees, kept between 0 and 360.

use std::ops::{Add, Mul};

/// An angle of a full turn or less.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Degrees(f64);

impl Degrees {
    /// Brings any number of degrees into one turn.
    pub fn new(degrees: f64) -> Self {
        Self(degrees.rem_euclid(360.0))
    }

    /// The cosine.
    pub fn cos(self) -> f64 {
        self.0.to_radians().cos()
    }

    /// The plain number.
    pub fn value(self) -> f64 {
        self.0
    }
}

impl Add for Degrees {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self::new(self.0 + other.0)
    }
}

impl Mul<f64> for Degrees {
    type Output = Self;

    fn mul(self, factor: f64) -> Self {
        Self::new(self.0 * factor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_are_taken_off() {
        assert_eq!(Degrees::new(-30.0).value(), 330.0);
        assert_eq!((Degrees::new(200.0) + Degrees::new(200.0)).value(), 40.0);
    }
}
