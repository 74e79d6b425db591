//! Writes, for build scripts, the slow change of one wave as straight code: a function for every
//! week of the 18.6 years in which the moon's path turns. A table would do; the code is here to
//! make this crate take as long to build as one of some size.

use std::fmt::Write;

const WEEKS: u32 = 970;
const TERMS: u32 = 20;

/// The source of `static WEEKS: [fn(f64) -> f64; …]`: factors of a wave by the hour of the week.
pub fn source(strength: f64, lag_degrees: f64) -> String {
    let mut text = String::new();
    for week in 0..WEEKS {
        let turned = f64::from(week) / f64::from(WEEKS) * 360.0 - lag_degrees;
        write!(text, "fn week_{week}(hour: f64) -> f64 {{ 1.0").expect("a String takes everything");
        for term in 1..=TERMS {
            let size = strength / f64::from(term * term);
            let (phase, speed) = (turned * f64::from(term), f64::from(term) * 0.002_208_8);
            write!(text, " + {size:.6} * ({phase:.2} + {speed:.6} * hour).to_radians().cos()")
                .expect("a String takes everything");
        }
        text += " }\n";
    }
    let names: Vec<_> = (0..WEEKS).map(|week| format!("week_{week}")).collect();
    text + &format!("static WEEKS: [fn(f64) -> f64; {WEEKS}] = [{}];\n", names.join(", "))
}
