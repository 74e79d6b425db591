//! Finds the server's programs: `initdb` and `postgres` of one installation that work. Tries them
//! as the account that will run them; must never use a folder that only looks right.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::error::EmbeddedError;
use super::fetch;
use super::home::Home;
use super::owner::{Owner, run};
use super::version::OLDEST_MAJOR;

/// A folder with working programs of one version.
#[derive(Clone, Debug)]
pub(super) struct Programs {
    pub(super) dir: PathBuf,
    pub(super) version: String,
    pub(super) major: u32,
}

/// Finds programs of `major`, or of any supported version, in the named folder or on the machine; if the
/// machine has none at all, they are downloaded.
pub(super) async fn find(
    home: &Home,
    named: Option<&Path>,
    major: Option<u32>,
) -> Result<Programs, EmbeddedError> {
    let candidates = match named {
        Some(dir) => vec![dir.to_owned()],
        None => candidates(home).await,
    };
    let mut others: Vec<Programs> = Vec::new();
    let mut rejected: Vec<(PathBuf, String)> = Vec::new();
    let mut tried = HashSet::new();
    for candidate in candidates {
        // Follow links: /usr/local/bin/postgres may be one into a folder that is complete.
        let dir = candidate
            .join("postgres")
            .canonicalize()
            .ok()
            .and_then(|program| program.parent().map(Path::to_owned));
        let dir = dir.unwrap_or(candidate);
        if !tried.insert(dir.clone()) {
            continue;
        }
        match probe(&dir, &home.owner).await {
            Ok(programs) if major.is_none_or(|major| major == programs.major) => {
                tracing::debug!(dir = %programs.dir.display(), version = programs.version, "found Postgres programs");
                return Ok(programs);
            }
            Ok(programs) => others.push(programs),
            Err(reason) => rejected.push((dir, reason)),
        }
    }
    if let (Some(cluster_major), false) = (major, others.is_empty()) {
        let found = others
            .iter()
            .map(|other| format!("  {} in {}", other.version, other.dir.display()))
            .collect::<Vec<_>>();
        return Err(EmbeddedError::WrongMajor {
            cluster: home.cluster(),
            cluster_major,
            found: found.join("\n"),
        });
    }
    match named {
        Some(dir) => {
            let reason = rejected.pop().map(|(_, reason)| reason).unwrap_or_default();
            Err(EmbeddedError::UnusableProgramsDir { dir: dir.to_owned(), reason })
        }
        None => fetch_and_probe(home, major, &rejected).await,
    }
}

async fn fetch_and_probe(
    home: &Home,
    major: Option<u32>,
    rejected: &[(PathBuf, String)],
) -> Result<Programs, EmbeddedError> {
    let mut searched: Vec<String> =
        rejected.iter().map(|(dir, reason)| format!("  {}: {reason}", dir.display())).collect();
    if searched.is_empty() {
        searched.push("  PATH, pg_config and the usual folders, none of which exists".to_owned());
    }
    let no_programs = |fetch| EmbeddedError::NoPrograms { searched: searched.join("\n"), fetch };
    let dir = fetch::fetch(&home.fetched_programs(), major).await.map_err(no_programs)?;
    probe(&dir, &home.owner).await.map_err(|reason| {
        no_programs(format!("the programs fetched to {} do not work: {reason}", dir.display()))
    })
}

/// `initdb --show` checks that a `postgres` of its own version is next to it and prints where the shared
/// files should be; so one harmless run answers whether the folder is a complete installation that this
/// account can use.
pub(super) async fn probe(dir: &Path, owner: &Owner) -> Result<Programs, String> {
    let initdb = dir.join("initdb");
    if !initdb.exists() || !dir.join("postgres").exists() {
        return Err("initdb or postgres is missing".to_owned());
    }
    let mut command = owner.command(&initdb, Path::new("/"));
    command.args(["--show", "--pgdata=/nonexistent", "--username=tidemill"]);
    let output = run(command).await.map_err(|error| format!("initdb cannot be run: {error}"))?;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let value = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    let (Some(version), Some(catalog)) = (value("VERSION"), value("POSTGRES_BKI")) else {
        return Err(format!("initdb said: {}", text.trim()));
    };
    let number = version.split_whitespace().next().unwrap_or_default();
    let digits: String = number.chars().take_while(char::is_ascii_digit).collect();
    let major: u32 = digits.parse().map_err(|_| format!("version {version} is not understood"))?;
    if major < OLDEST_MAJOR {
        return Err(format!("version {number} is older than {OLDEST_MAJOR}"));
    }
    if !Path::new(catalog).exists() {
        return Err(format!("the installation is incomplete: {catalog} is missing"));
    }
    Ok(Programs { dir: dir.to_owned(), version: number.to_owned(), major })
}

/// Folders that may hold the programs, best first: what the user chose by PATH, then what packages install.
async fn candidates(home: &Home) -> Vec<PathBuf> {
    let mut dirs: Vec<PathBuf> = std::env::var_os("PATH")
        .map(|path| std::env::split_paths(&path).filter(|dir| dir.join("postgres").exists()).collect())
        .unwrap_or_default();
    let mut pg_config = std::process::Command::new("pg_config");
    pg_config.arg("--bindir").stdin(std::process::Stdio::null());
    if let Ok(output) = run(pg_config).await {
        dirs.push(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()));
    }
    dirs.retain(|dir| dir.is_absolute());
    let usual = [
        ("/usr/lib/postgresql", "", "bin"),          // Debian, Ubuntu
        ("/usr", "pgsql-", "bin"),                   // Fedora, Red Hat
        ("/opt/homebrew/opt", "postgresql@", "bin"), // Homebrew on Apple silicon
        ("/usr/local/opt", "postgresql@", "bin"),    // Homebrew on Intel
        ("/home/linuxbrew/.linuxbrew/opt", "postgresql@", "bin"),
        ("/usr/lib", "postgresql", "bin"),  // SUSE
        ("/usr/libexec", "postgresql", ""), // Alpine
        ("/Applications/Postgres.app/Contents/Versions", "", "bin"),
    ];
    for (parent, prefix, suffix) in usual {
        dirs.extend(numbered(Path::new(parent), prefix).into_iter().map(|dir| dir.join(suffix)));
    }
    dirs.push(PathBuf::from("/usr/local/pgsql/bin"));
    dirs.extend(numbered(&home.fetched_programs(), "").into_iter().map(|dir| dir.join("bin")));
    dirs.retain(|dir| dir.exists());
    dirs
}

/// Folders in `parent` named `prefix` and a number, the highest number first.
fn numbered(parent: &Path, prefix: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(parent).into_iter().flatten().flatten();
    let mut found: Vec<(u32, PathBuf)> = entries
        .filter_map(|entry| {
            let number = entry.file_name().to_str()?.strip_prefix(prefix)?.parse().ok()?;
            Some((number, entry.path()))
        })
        .collect();
    found.sort_by_key(|(number, _)| std::cmp::Reverse(*number));
    found.into_iter().map(|(_, path)| path).collect()
}
