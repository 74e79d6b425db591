//! What the command line asks for: a station and a number of days.

use station::Station;

/// Most days that one table shows.
const MOST_DAYS: u32 = 31;

/// A checked command line.
pub struct Arguments {
    pub station: &'static Station,
    pub days: u32,
}

/// Reads `STATION [DAYS]`.
pub fn parse(mut words: impl Iterator<Item = String>) -> Result<Arguments, String> {
    let name = words.next().ok_or("which station?")?;
    let station = station::find(&name).ok_or_else(|| format!("no station is called `{name}`"))?;
    let days = match words.next() {
        None => 1,
        Some(word) => word.parse().map_err(|_| format!("`{word}` is not a number of days"))?,
    };
    if !(1..=MOST_DAYS).contains(&days) {
        return Err(format!("a table has 1 to {MOST_DAYS} days"));
    }
    Ok(Arguments { station, days })
}
