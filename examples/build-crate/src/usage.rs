//! How the program is called.

/// The help text with all stations.
pub fn text() -> String {
    let names: Vec<_> = station::ALL.iter().map(|station| station.name).collect();
    format!("usage: tidetable STATION [DAYS]\nstations: {}", names.join(", "))
}
