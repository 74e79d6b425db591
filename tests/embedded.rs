//! The embedded Postgres against real processes: starts, restarts, kills and every clear error. Each test has a data
//! folder of its own and waits for facts only.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, geteuid, getpgid};
use sqlx::{Connection, PgConnection};
use tempfile::TempDir;
use tidemill::embedded::{EmbeddedError, EmbeddedPostgres, Settings};

const DEADLINE: Duration = Duration::from_secs(30);

/// A data folder that any account may enter; whatever still runs in it when the test ends is ended with it.
struct Folder {
    _dir: TempDir,
    path: PathBuf,
}

impl Folder {
    fn new() -> Self {
        Self::named("data")
    }

    fn named(name: &str) -> Self {
        let open = fs::Permissions::from_mode(0o755);
        let dir = tempfile::Builder::new().permissions(open).tempdir().unwrap();
        let path = dir.path().canonicalize().unwrap().join(name);
        Self { _dir: dir, path }
    }

    fn settings(&self) -> Settings {
        Settings { durable: false, programs_dir: programs_dir(), ..Settings::new(&self.path) }
    }

    async fn start(&self) -> EmbeddedPostgres {
        EmbeddedPostgres::start(self.settings()).await.unwrap()
    }

    async fn refusal(&self) -> EmbeddedError {
        EmbeddedPostgres::start(self.settings()).await.expect_err("the start must be refused")
    }

    fn cluster(&self) -> PathBuf {
        self.path.join("postgres")
    }

    fn has_unfinished_cluster(&self) -> bool {
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
fn programs_dir() -> Option<PathBuf> {
    std::env::var_os("TIDEMILL_TEST_POSTGRES").map(PathBuf::from)
}

/// Live Postgres processes that work in the cluster.
fn servers_in(cluster: &Path) -> Vec<i32> {
    let cluster = cluster.canonicalize().unwrap_or_else(|_| cluster.to_owned());
    let works_here = |pid: &i32| {
        fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim() == "postgres")
            && fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|dir| dir == cluster)
    };
    let entries = fs::read_dir("/proc").unwrap().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter(works_here).collect()
}

fn wait_until(what: &str, fact: impl Fn() -> bool) {
    let began = Instant::now();
    while !fact() {
        assert!(began.elapsed() < DEADLINE, "not within {DEADLINE:?}: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn kill_hard(pid: i32) {
    kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
}

async fn connect(url: &str) -> PgConnection {
    PgConnection::connect(url).await.unwrap()
}

async fn text(connection: &mut PgConnection, statement: &'static str) -> String {
    sqlx::query_scalar(statement).fetch_one(connection).await.unwrap()
}

/// Commits one note; asked for synchronously, it survives a kill of the server even where `fsync` is off.
async fn write_note(url: &str) {
    let mut connection = connect(url).await;
    for statement in
        ["set synchronous_commit = on", "create table note (body text)", "insert into note values ('kept')"]
    {
        sqlx::query(statement).execute(&mut connection).await.unwrap();
    }
}

async fn read_note(url: &str) -> String {
    text(&mut connect(url).await, "select body from note").await
}

/// Another process that holds the folder as a tidemill would, until it is killed.
struct Holder {
    child: Child,
}

impl Holder {
    fn begin(folder: &Folder) -> Self {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["holder", "--exact", "--ignored", "--nocapture"])
            .env("TIDEMILL_TEST_FOLDER", &folder.path)
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .unwrap();
        Self { child }
    }

    /// Waits until its server is ready.
    fn ready(folder: &Folder) -> Self {
        let mut holder = Self::begin(folder);
        let lines = BufReader::new(holder.child.stdout.take().unwrap()).lines();
        assert!(
            lines.map_while(Result::ok).any(|line| line.contains("the holder is ready")),
            "the holder did not start"
        );
        holder
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

#[tokio::test]
#[ignore = "not a test: the process that `Holder` starts"]
async fn holder() {
    let Some(path) = std::env::var_os("TIDEMILL_TEST_FOLDER") else {
        return;
    };
    let settings = Settings { durable: false, programs_dir: programs_dir(), ..Settings::new(path) };
    let _postgres = EmbeddedPostgres::start(settings).await.unwrap();
    println!("the holder is ready");
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn a_fresh_folder_gets_a_durable_server_that_stops_without_a_trace() {
    let folder = Folder::new();
    let postgres = EmbeddedPostgres::start(Settings { durable: true, ..folder.settings() }).await.unwrap();
    let mut connection = connect(postgres.url()).await;
    for (statement, value) in [
        ("select current_database()::text", "tidemill"),
        ("show fsync", "on"),
        ("show full_page_writes", "on"),
        ("show synchronous_commit", "on"),
        ("show data_checksums", "on"),
        ("show listen_addresses", "127.0.0.1"),
        ("show server_encoding", "UTF8"),
        ("select datcollate::text from pg_database where datname = current_database()", "C"),
    ] {
        assert_eq!(text(&mut connection, statement).await, value, "{statement}");
    }
    let mut other = connect(&postgres.url_for("postgres")).await;
    assert_eq!(text(&mut other, "select current_database()::text").await, "postgres");

    let pid = Pid::from_raw(postgres.postmaster_pid());
    assert_eq!(getpgid(Some(pid)), Ok(pid), "a Ctrl-C in our terminal must not reach the server");
    let password_file = fs::metadata(folder.path.join("postgres.password")).unwrap();
    assert_eq!(password_file.permissions().mode() & 0o777, 0o600);
    let socket_dir = fs::metadata(postgres.socket_dir()).unwrap();
    assert_eq!(socket_dir.permissions().mode() & 0o777, 0o700);
    assert!(postgres.socket_dir().join(format!(".s.PGSQL.{}", postgres.port())).exists());

    postgres.stop().await.unwrap();
    assert_eq!(servers_in(&folder.cluster()), Vec::<i32>::new());
    assert!(!folder.cluster().join("postmaster.pid").exists());
    assert!(!folder.has_unfinished_cluster());
}

#[tokio::test]
async fn a_wrong_password_is_refused_over_tcp_and_the_socket() {
    let folder = Folder::new();
    let postgres = folder.start().await;
    let options = sqlx::postgres::PgConnectOptions::new_without_pgpass()
        .port(postgres.port())
        .username("tidemill")
        .password("guess")
        .database("tidemill");
    assert!(PgConnection::connect_with(&options.clone().host("127.0.0.1")).await.is_err());
    assert!(PgConnection::connect_with(&options.socket(postgres.socket_dir())).await.is_err());
    postgres.stop().await.unwrap();
}

#[tokio::test]
async fn a_second_start_finds_the_data_at_the_same_url() {
    let folder = Folder::new();
    let first = folder.start().await;
    let url = first.url().to_owned();
    write_note(&url).await;
    first.stop().await.unwrap();

    let began = Instant::now();
    let second = folder.start().await;
    println!("start of an existing cluster: {:?}", began.elapsed());
    assert_eq!(second.url(), url);
    assert_eq!(read_note(&url).await, "kept");
    second.stop().await.unwrap();
}

#[tokio::test]
async fn a_port_that_was_taken_meanwhile_is_replaced() {
    let folder = Folder::new();
    let first = folder.start().await;
    let port = first.port();
    first.stop().await.unwrap();

    let _somebody_else = TcpListener::bind(("127.0.0.1", port)).unwrap();
    let second = folder.start().await;
    assert_ne!(second.port(), port);
    connect(second.url()).await;
    second.stop().await.unwrap();
}

#[tokio::test]
async fn a_killed_server_is_noticed_and_restarts_with_what_was_committed() {
    let folder = Folder::new();
    let mut postgres = folder.start().await;
    let url = postgres.url().to_owned();
    write_note(&url).await;
    let killed = postgres.postmaster_pid();
    kill_hard(killed);
    tokio::time::timeout(DEADLINE, postgres.ended()).await.unwrap();
    postgres.restart().await.unwrap();
    assert_ne!(postgres.postmaster_pid(), killed);
    assert_eq!(postgres.url(), url);
    assert_eq!(read_note(&url).await, "kept");

    let running = postgres.postmaster_pid();
    postgres.restart().await.unwrap();
    assert_eq!(postgres.postmaster_pid(), running, "a server that runs is left alone");
    postgres.stop().await.unwrap();
}

#[tokio::test]
async fn a_child_that_outlives_its_killed_postmaster_does_not_block_the_next_start() {
    let folder = Folder::new();
    let mut postgres = folder.start().await;
    let mut connection = connect(postgres.url()).await;
    // Deep in a query a child does not notice that its postmaster is gone.
    let busy = tokio::spawn(async move {
        let endless = "select count(*) from generate_series(1, 100000000000) as number where number % 2 = 3";
        sqlx::query(endless).execute(&mut connection).await
    });
    let mut observer = connect(postgres.url()).await;
    let began = Instant::now();
    while text(&mut observer, "select count(*)::text from pg_stat_activity where state = 'active' and query like '%number % 2%' and pid <> pg_backend_pid()").await != "1" {
        assert!(began.elapsed() < DEADLINE);
    }
    kill_hard(postgres.postmaster_pid());
    postgres.ended().await;
    postgres.restart().await.unwrap();
    assert!(busy.await.unwrap().is_err());
    connect(postgres.url()).await;
    postgres.stop().await.unwrap();
}

#[tokio::test]
async fn a_kill_of_everything_leaves_a_stale_pid_file_and_loses_nothing() {
    let folder = Folder::new();
    let first = folder.start().await;
    let url = first.url().to_owned();
    write_note(&url).await;
    first.stop().await.unwrap();

    let holder = Holder::ready(&folder);
    holder.kill();
    servers_in(&folder.cluster()).into_iter().for_each(kill_hard);
    wait_until("all servers gone", || servers_in(&folder.cluster()).is_empty());
    assert!(folder.cluster().join("postmaster.pid").exists());

    let second = folder.start().await;
    assert_eq!(read_note(second.url()).await, "kept");
    second.stop().await.unwrap();
}

#[tokio::test]
async fn a_pid_file_whose_id_now_belongs_to_somebody_else_does_not_block_the_start() {
    let folder = Folder::new();
    folder.start().await.stop().await.unwrap();
    let pid_file = format!("{}\n{}\n1\n5432\n\n\n\n", std::process::id(), folder.cluster().display());
    fs::write(folder.cluster().join("postmaster.pid"), pid_file).unwrap();
    folder.start().await.stop().await.unwrap();
}

#[tokio::test]
async fn a_server_that_outlived_its_tidemill_is_adopted_and_then_stopped() {
    let folder = Folder::new();
    Holder::ready(&folder).kill();
    let left = servers_in(&folder.cluster());
    assert!(!left.is_empty(), "the server must outlive its tidemill");

    let postgres = folder.start().await;
    assert!(left.contains(&postgres.postmaster_pid()));
    write_note(postgres.url()).await;
    assert_eq!(read_note(postgres.url()).await, "kept");
    postgres.stop().await.unwrap();
    assert_eq!(servers_in(&folder.cluster()), Vec::<i32>::new());
}

#[tokio::test]
async fn a_dropped_server_is_adopted_unless_its_durability_is_not_what_is_asked() {
    let folder = Folder::new();
    let first = folder.start().await;
    let pid = first.postmaster_pid();
    drop(first);
    let second = folder.start().await;
    assert_eq!(second.postmaster_pid(), pid);
    drop(second);

    let durable = EmbeddedPostgres::start(Settings { durable: true, ..folder.settings() }).await.unwrap();
    assert_ne!(durable.postmaster_pid(), pid);
    assert_eq!(text(&mut connect(durable.url()).await, "show fsync").await, "on");
    durable.stop().await.unwrap();
}

#[tokio::test]
async fn durability_cannot_be_switched_off_unseen() {
    let folder = Folder::new();
    let first = folder.start().await;
    let mut connection = connect(first.url()).await;
    sqlx::query("alter system set fsync = off").execute(&mut connection).await.unwrap();
    first.stop().await.unwrap();
    let durable = EmbeddedPostgres::start(Settings { durable: true, ..folder.settings() }).await.unwrap();
    assert_eq!(text(&mut connect(durable.url()).await, "show fsync").await, "on");
    durable.stop().await.unwrap();
}

/// A child that a killed process was about to start has its files for a moment longer.
#[tokio::test]
async fn a_lock_that_outlives_its_holder_is_waited_for() {
    let folder = Folder::new();
    folder.start().await.stop().await.unwrap();
    let mut dead = Command::new("true").spawn().unwrap();
    dead.wait().unwrap();
    let path = folder.cluster().canonicalize().unwrap().parent().unwrap().join("tidemill.lock");
    fs::write(&path, format!("{}\n", dead.id())).unwrap();
    let lock = fs::File::open(&path).unwrap();
    lock.lock().unwrap();
    let start = tokio::spawn(EmbeddedPostgres::start(folder.settings()));
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(!start.is_finished(), "it waits");
    lock.unlock().unwrap();
    start.await.unwrap().unwrap().stop().await.unwrap();
}

#[tokio::test]
async fn a_folder_in_use_is_refused_and_its_holder_named() {
    let folder = Folder::new();
    let holder = Holder::ready(&folder);
    let message = folder.refusal().await.to_string();
    assert!(message.contains(&format!("process {}", holder.child.id())), "{message}");
    holder.kill();

    let postgres = folder.start().await;
    let message = folder.refusal().await.to_string();
    assert!(message.contains(&format!("process {}", std::process::id())), "{message}");
    postgres.stop().await.unwrap();
}

#[tokio::test]
async fn a_kill_during_the_first_start_does_not_wedge_the_next() {
    let folder = Folder::new();
    let holder = Holder::begin(&folder);
    wait_until("initdb has begun", || folder.has_unfinished_cluster());
    holder.kill();
    assert!(!folder.cluster().exists());
    folder.start().await.stop().await.unwrap();
}

#[tokio::test]
async fn data_of_a_major_version_without_programs_is_refused() {
    let folder = Folder::new();
    folder.start().await.stop().await.unwrap();
    fs::write(folder.cluster().join("PG_VERSION"), "14\n").unwrap();
    let error = folder.refusal().await;
    assert!(matches!(error, EmbeddedError::WrongMajor { cluster_major: 14, .. }), "{error}");
    for part in [folder.cluster().to_str().unwrap(), "Postgres 14", "/bin", "pg_upgrade"] {
        assert!(error.to_string().contains(part), "{error}");
    }
}

#[tokio::test]
async fn a_folder_that_is_no_cluster_is_refused_and_left_alone() {
    let folder = Folder::new();
    fs::create_dir_all(folder.cluster()).unwrap();
    fs::write(folder.cluster().join("precious"), "mine").unwrap();
    let error = folder.refusal().await;
    assert!(matches!(error, EmbeddedError::NotACluster { .. }), "{error}");
    assert_eq!(fs::read_to_string(folder.cluster().join("precious")).unwrap(), "mine");

    fs::remove_file(folder.cluster().join("precious")).unwrap();
    folder.start().await.stop().await.unwrap();
}

#[tokio::test]
async fn a_server_that_cannot_start_says_why_in_its_own_words() {
    let folder = Folder::new();
    folder.start().await.stop().await.unwrap();
    fs::write(folder.cluster().join("global/pg_control"), "short").unwrap();
    let message = folder.refusal().await.to_string();
    assert!(message.contains("pg_control") && message.contains("postgres.log"), "{message}");
}

#[tokio::test]
async fn a_lost_password_is_said_plainly() {
    let folder = Folder::new();
    folder.start().await.stop().await.unwrap();
    fs::remove_file(folder.path.join("postgres.password")).unwrap();
    let error = folder.refusal().await;
    assert!(matches!(error, EmbeddedError::PasswordLost { .. }), "{error}");
}

#[tokio::test]
async fn a_named_programs_folder_must_hold_programs() {
    let folder = Folder::new();
    let settings = Settings { programs_dir: Some(PathBuf::from("/nonexistent")), ..folder.settings() };
    let error = EmbeddedPostgres::start(settings).await.unwrap_err();
    assert!(matches!(error, EmbeddedError::UnusableProgramsDir { .. }), "{error}");
    assert!(!folder.cluster().exists());
}

#[tokio::test]
async fn a_long_path_moves_only_the_socket() {
    let folder = Folder::named(&format!("{}/{}", "a".repeat(120), "b".repeat(60)));
    let postgres = folder.start().await;
    assert!(folder.cluster().join("PG_VERSION").exists());
    let socket = postgres.socket_dir().join(format!(".s.PGSQL.{}", postgres.port()));
    assert!(socket.exists() && socket.as_os_str().len() < 104);
    connect(postgres.url()).await;
    let socket_dir = postgres.socket_dir().to_owned();
    postgres.stop().await.unwrap();
    assert!(!socket_dir.exists(), "nothing stays behind in the temporary folder");
}

#[tokio::test]
async fn an_odd_path_is_as_good_as_any() {
    let folder = Folder::named("it's, a \"data\" \\ folder");
    let postgres = folder.start().await;
    assert!(postgres.socket_dir().starts_with(&folder.path));
    assert!(postgres.socket_dir().join(format!(".s.PGSQL.{}", postgres.port())).exists());
    connect(postgres.url()).await;
    drop(postgres);
    folder.start().await.stop().await.unwrap();

    let error = Folder::named("two\nlines").refusal().await;
    assert!(matches!(error, EmbeddedError::UnusablePath { .. }), "{error}");
}

/// Root only: anyone else's server runs as themselves and reaches what they reach.
#[tokio::test]
async fn roots_private_folder_keeps_its_rights_and_the_cluster_lives_where_its_account_reaches() {
    if !geteuid().is_root() {
        return;
    }
    let private = fs::Permissions::from_mode(0o700);
    let parent = tempfile::Builder::new().permissions(private).tempdir().unwrap();
    let settings = Settings { durable: false, ..Settings::new(parent.path().join("data")) };
    let link = parent.path().join("data/postgres");
    let first = EmbeddedPostgres::start(settings.clone()).await.unwrap();
    write_note(first.url()).await;
    first.stop().await.unwrap();
    let home = fs::read_link(&link).unwrap().parent().unwrap().to_owned();
    assert!(home.starts_with("/var/lib/tidemill"));
    assert_eq!(fs::metadata(parent.path()).unwrap().permissions().mode() & 0o777, 0o700);

    let second = EmbeddedPostgres::start(settings.clone()).await.unwrap();
    assert_eq!(read_note(second.url()).await, "kept");
    second.stop().await.unwrap();

    // Killed before the link was made, the next start still finds the cluster.
    fs::remove_file(&link).unwrap();
    let third = EmbeddedPostgres::start(settings.clone()).await.unwrap();
    assert_eq!(read_note(third.url()).await, "kept");
    third.stop().await.unwrap();

    fs::remove_dir_all(&home).unwrap();
    let error = EmbeddedPostgres::start(settings).await.unwrap_err();
    assert!(matches!(error, EmbeddedError::ClusterGone { .. }), "{error}");
}

/// Root only: a copy restored by root belongs to root at first.
#[tokio::test]
async fn a_cluster_given_to_root_is_given_back_to_the_servers_account() {
    if !geteuid().is_root() {
        return;
    }
    let folder = Folder::new();
    folder.start().await.stop().await.unwrap();
    let status = Command::new("chown").args(["-R", "0:0"]).arg(&folder.path).status().unwrap();
    assert!(status.success());
    folder.start().await.stop().await.unwrap();
}
