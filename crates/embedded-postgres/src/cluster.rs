//! The cluster's files: recognises a cluster, and creates one with initdb in a temporary folder
//! that gets its final name only when complete. Must never write into an existing cluster or remove
//! it.

use std::fs::{self, DirBuilder, File};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::Path;

use super::EmbeddedError;
use super::home::Home;
use super::owner::run;
use super::programs::Programs;
use super::secret;

/// The superuser that tidemill connects as.
pub(super) const USER: &str = "tidemill";

const UNFINISHED: &str = "postgres.new-";

/// The major version of the home's cluster, or none if there is no cluster yet.
pub(super) fn major(home: &Home) -> Result<Option<u32>, EmbeddedError> {
    let cluster = home.cluster();
    match fs::read_dir(&cluster).map(|mut entries| entries.next().is_none()) {
        Ok(false) => {}
        Ok(true) => return Ok(None),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(EmbeddedError::io("list", &cluster)(error)),
    }
    let not_a_cluster = |reason: String| EmbeddedError::NotACluster { path: cluster.clone(), reason };
    let text = fs::read_to_string(cluster.join("PG_VERSION"))
        .map_err(|error| not_a_cluster(format!("PG_VERSION: {error}")))?;
    let major =
        text.trim().parse().map_err(|_| not_a_cluster(format!("PG_VERSION says `{}`", text.trim())))?;
    if !cluster.join("global/pg_control").exists() {
        return Err(not_a_cluster("global/pg_control is missing".to_owned()));
    }
    Ok(Some(major))
}

/// Gives a cluster that root restored from a copy to the server's account.
pub(super) fn settle_owner(home: &Home) -> Result<(), EmbeddedError> {
    let cluster = home.cluster();
    let owner = fs::metadata(&cluster).map_err(EmbeddedError::io("look at", &cluster))?.uid();
    if owner == home.owner.uid() { Ok(()) } else { home.owner.take(&cluster) }
}

/// Makes the cluster. Killed half-way it leaves only a folder that the next call removes.
pub(super) async fn create(
    home: &Home,
    programs: &Programs,
    password: &str,
    durable: bool,
) -> Result<(), EmbeddedError> {
    remove_unfinished(home);
    tracing::info!(version = programs.version, cluster = %home.cluster().display(), "creating a new cluster …");
    let build = home.root.join(format!("{UNFINISHED}{}", std::process::id()));
    // Others may pass but not list; what lies inside has rights of its own.
    DirBuilder::new().mode(0o711).create(&build).map_err(EmbeddedError::io("create", &build))?;
    let (cluster, password_file) = (build.join("cluster"), build.join("password"));
    DirBuilder::new().mode(0o700).create(&cluster).map_err(EmbeddedError::io("create", &cluster))?;
    secret::write_private(&password_file, password)?;
    home.owner.take(&cluster)?;
    home.owner.take(&password_file)?;

    initdb(home, programs, &build, durable).await?;

    let finished = home.cluster();
    fs::rename(&cluster, &finished).map_err(EmbeddedError::io("put in place", &finished))?;
    let root = File::open(&home.root).and_then(|dir| dir.sync_all());
    root.map_err(EmbeddedError::io("write", &home.root))?;
    remove_unfinished(home);
    Ok(())
}

async fn initdb(home: &Home, programs: &Programs, build: &Path, durable: bool) -> Result<(), EmbeddedError> {
    // Sorting by bytes is the fastest, and the same on every machine; letters are still told from signs as Unicode
    // has it, where the system knows how.
    let mut output = String::new();
    for character_type in ["C.UTF-8", "C"] {
        let mut command = home.owner.command(&programs.dir.join("initdb"), &home.root);
        command
            .arg("--pgdata")
            .arg(build.join("cluster"))
            .arg("--pwfile")
            .arg(build.join("password"))
            .args(["--username", USER, "--auth=scram-sha-256", "--data-checksums"])
            .args(["--encoding=UTF8", "--locale=C", &format!("--lc-ctype={character_type}")]);
        if !durable {
            command.arg("--no-sync");
        }
        let result = run(command).await.map_err(EmbeddedError::io("run initdb in", &programs.dir))?;
        if result.status.success() {
            return Ok(());
        }
        output =
            format!("{}{}", String::from_utf8_lossy(&result.stdout), String::from_utf8_lossy(&result.stderr));
        if !output.contains("invalid locale") {
            break;
        }
    }
    Err(EmbeddedError::InitFailed { root: home.root.clone(), output: output.trim().to_owned() })
}

/// An initdb that outlived its tidemill may still write into one of these; then the next start removes it.
fn remove_unfinished(home: &Home) {
    for entry in fs::read_dir(&home.root).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(UNFINISHED)
            && let Err(error) = fs::remove_dir_all(entry.path())
        {
            tracing::debug!(
                path = %entry.path().display(), %error,
                "an unfinished cluster could not be removed yet"
            );
        }
    }
}
