//! Data folders, servers and their holders for these tests.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sqlx::{Connection, PgConnection};
use tempfile::TempDir;
use tidemill::embedded::{EmbeddedError, EmbeddedPostgres, Settings};

pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// A data folder that any account may enter; whatever still runs in it when the test ends is ended with it.
pub(crate) struct Folder {
    pub(crate) _dir: TempDir,
    pub(crate) path: PathBuf,
}

impl Folder {
    pub(crate) fn new() -> Self {
        Self::named("data")
    }

    pub(crate) fn named(name: &str) -> Self {
        let open = fs::Permissions::from_mode(0o755);
        let dir = tempfile::Builder::new().permissions(open).tempdir().unwrap();
        let path = dir.path().canonicalize().unwrap().join(name);
        Self { _dir: dir, path }
    }

    pub(crate) fn settings(&self) -> Settings {
        Settings { durable: false, programs_dir: programs_dir(), ..Settings::new(&self.path) }
    }

    pub(crate) async fn start(&self) -> EmbeddedPostgres {
        EmbeddedPostgres::start(self.settings()).await.unwrap()
    }

    pub(crate) async fn refusal(&self) -> EmbeddedError {
        EmbeddedPostgres::start(self.settings()).await.expect_err("the start must be refused")
    }

    pub(crate) fn cluster(&self) -> PathBuf {
        self.path.join("postgres")
    }

    pub(crate) fn has_unfinished_cluster(&self) -> bool {
        let entries = fs::read_dir(&self.path).into_iter().flatten().flatten();
        entries.into_iter().any(|entry| entry.file_name().to_string_lossy().starts_with("postgres.new-"))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        for pid in servers_in(&self.cluster()) {
            let _ = kill(Pid::from_raw(pid), Signal::SIGQUIT);
        }
    }
}

/// The programs that the tests are told to use; any if they are not.
pub(crate) fn programs_dir() -> Option<PathBuf> {
    std::env::var_os("TIDEMILL_TEST_POSTGRES").map(PathBuf::from)
}

/// Live Postgres processes that work in the cluster.
pub(crate) fn servers_in(cluster: &Path) -> Vec<i32> {
    let cluster = cluster.canonicalize().unwrap_or_else(|_| cluster.to_owned());
    let works_here = |pid: &i32| {
        fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim() == "postgres")
            && fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|dir| dir == cluster)
    };
    let entries = fs::read_dir("/proc").unwrap().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter(works_here).collect()
}

pub(crate) fn wait_until(what: &str, fact: impl Fn() -> bool) {
    let began = Instant::now();
    while !fact() {
        assert!(began.elapsed() < DEADLINE, "not within {DEADLINE:?}: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

pub(crate) fn kill_hard(pid: i32) {
    kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
}

pub(crate) async fn connect(url: &str) -> PgConnection {
    PgConnection::connect(url).await.unwrap()
}

pub(crate) async fn text(connection: &mut PgConnection, statement: &'static str) -> String {
    sqlx::query_scalar(statement).fetch_one(connection).await.unwrap()
}

/// Commits one note; asked for synchronously, it survives a kill of the server even where `fsync` is off.
pub(crate) async fn write_note(url: &str) {
    let mut connection = connect(url).await;
    for statement in
        ["set synchronous_commit = on", "create table note (body text)", "insert into note values ('kept')"]
    {
        sqlx::query(statement).execute(&mut connection).await.unwrap();
    }
}

pub(crate) async fn read_note(url: &str) -> String {
    text(&mut connect(url).await, "select body from note").await
}

/// Another process that holds the folder as a tidemill would, until it is killed.
pub(crate) struct Holder {
    pub(crate) child: Child,
}

impl Holder {
    pub(crate) fn begin(folder: &Folder) -> Self {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["support::holder", "--exact", "--ignored", "--nocapture"])
            .env("TIDEMILL_TEST_FOLDER", &folder.path)
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .unwrap();
        Self { child }
    }

    /// Waits until its server is ready.
    pub(crate) fn ready(folder: &Folder) -> Self {
        let mut holder = Self::begin(folder);
        let lines = BufReader::new(holder.child.stdout.take().unwrap()).lines();
        assert!(
            lines.map_while(Result::ok).any(|line| line.contains("the holder is ready")),
            "the holder did not start"
        );
        holder
    }

    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

#[tokio::test]
#[ignore = "not a test: the process that `Holder` starts"]
pub(crate) async fn holder() {
    let Some(path) = std::env::var_os("TIDEMILL_TEST_FOLDER") else {
        return;
    };
    let settings = Settings { durable: false, programs_dir: programs_dir(), ..Settings::new(path) };
    let _postgres = EmbeddedPostgres::start(settings).await.unwrap();
    println!("the holder is ready");
    std::future::pending::<()>().await;
}
