//! The binary under test. It is another package's, so `cargo test` alone does not build it: an old one is refused.

use std::path::{Path, PathBuf};
use std::time::SystemTime;
use std::{env, fs};

/// Where it is.
///
/// # Panics
/// If it is older than its sources.
pub fn tidemill() -> PathBuf {
    let here = env::current_exe().unwrap();
    let binary = here.ancestors().nth(2).unwrap().join("tidemill");
    let built = fs::metadata(&binary).and_then(|data| data.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
    let root = root();
    let changed = ["src", "bin", "crates", "migrations", "conformance"]
        .map(|folder| changed_at(&root.join(folder)))
        .into_iter()
        .max();
    assert!(
        Some(built) >= changed,
        "{} is older than its sources: run `cargo build` first",
        binary.display()
    );
    binary
}

/// The folder of the workspace, whichever of its packages tests.
fn root() -> &'static Path {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.ancestors().filter(|folder| folder.join("Cargo.lock").exists()).last().unwrap_or(package)
}

/// When something below a path changed last; tests are no part of the binary.
fn changed_at(path: &Path) -> SystemTime {
    if path.ends_with("tests") {
        return SystemTime::UNIX_EPOCH;
    }
    let below = fs::read_dir(path).into_iter().flatten();
    let own =
        if path.is_file() { fs::metadata(path).unwrap().modified().unwrap() } else { SystemTime::UNIX_EPOCH };
    below.map(|entry| changed_at(&entry.unwrap().path())).fold(own, SystemTime::max)
}
