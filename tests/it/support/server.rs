//! One embedded Postgres for the whole test run, in a thread with a runtime of its own, since each
//! test has its own. Stopped when the process exits; what a killed run left is removed by the next.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::{Duration, Instant};

use chrono::Utc;
use nix::sys::signal::{Signal, kill};
use nix::sys::statvfs::statvfs;
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tidemill::embedded::{EmbeddedPostgres, Settings};
use tidemill::store::db::migrate::migrate;
use tokio::sync::{mpsc, oneshot};

use super::options;

const TEMPLATE: &str = "it_template";
/// What the names of data folders begin with; the process follows.
const PREFIX: &str = "tidemill-it-";
/// Memory that is free for files, in bytes, from which on the data lies there.
const ROOM: i128 = 4 << 30;

static SERVER: OnceLock<Server> = OnceLock::new();
static FOLDER: OnceLock<PathBuf> = OnceLock::new();
static POSTMASTER: AtomicI32 = AtomicI32::new(0);

pub(crate) struct Server {
    /// The URL up to the database's name.
    prefix: String,
    /// The folder of its Unix socket.
    orders: mpsc::UnboundedSender<Order>,
}

enum Order {
    Create { name: String, template: bool, done: oneshot::Sender<()> },
    Drop { name: String },
}

/// The server, started for the first test that asks.
pub(crate) fn server() -> &'static Server {
    SERVER.get_or_init(Server::start)
}

impl Server {
    fn start() -> Self {
        let place = place();
        remove_leftovers(place);
        let folder = place.join(format!("{PREFIX}{}", std::process::id()));
        FOLDER.set(folder.clone()).expect("the server starts once");
        let (orders, inbox) = mpsc::unbounded_channel();
        let (ready, prefix) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(serve(folder, inbox, ready));
        });
        let prefix = prefix.recv().expect("the test server starts; see the panic above");
        Self { prefix, orders }
    }

    pub(crate) fn url(&self, database: &str) -> String {
        format!("{}{database}", self.prefix)
    }

    pub(crate) async fn create(&self, name: &str, template: bool) {
        let (done, received) = oneshot::channel();
        self.orders.send(Order::Create { name: name.to_owned(), template, done }).unwrap();
        received.await.unwrap();
    }

    pub(crate) fn drop_later(&self, name: &str) {
        let _ = self.orders.send(Order::Drop { name: name.to_owned() });
    }
}

async fn serve(
    folder: PathBuf,
    mut inbox: mpsc::UnboundedReceiver<Order>,
    ready: std::sync::mpsc::Sender<String>,
) {
    let settings = settings(&folder);
    let postgres = EmbeddedPostgres::start(settings).await.unwrap();
    POSTMASTER.store(postgres.postmaster_pid(), Ordering::SeqCst);
    call_at_exit(stop_at_exit);
    let mut admin = PgConnection::connect(&postgres.url_for("postgres")).await.unwrap();
    execute(&mut admin, format!("create database {TEMPLATE}")).await;
    let template_options = options(postgres.url_for(TEMPLATE));
    migrate(&template_options).await.unwrap();
    let mut migrated_on = Utc::now().date_naive();
    let url = postgres.url_for("");
    ready.send(url).unwrap();
    while let Some(order) = inbox.recv().await {
        match order {
            Order::Create { name, template, done } => {
                // After midnight a migrated schema has the partition of one more day.
                if template && migrated_on != Utc::now().date_naive() {
                    migrate(&template_options).await.unwrap();
                    migrated_on = Utc::now().date_naive();
                }
                let of = if template { TEMPLATE } else { "template1" };
                // Copied file by file: where nothing is synced, that is faster than by the log.
                let sql = format!("create database {name} template {of} strategy file_copy");
                execute(&mut admin, sql).await;
                let _ = done.send(());
            }
            Order::Drop { name } => {
                let sql = AssertSqlSafe(format!("drop database if exists {name} with (force)"));
                // At the end of the process the server goes first.
                let _ = sqlx::query(sql).execute(&mut admin).await;
            }
        }
    }
}

/// A server for tests, of the programs that TIDEMILL_TEST_POSTGRES names, or any.
pub(crate) fn settings(folder: &Path) -> Settings {
    let programs_dir = std::env::var_os("TIDEMILL_TEST_POSTGRES").map(PathBuf::from);
    Settings { durable: false, programs_dir, ..Settings::new(folder) }
}

async fn execute(admin: &mut PgConnection, sql: String) {
    sqlx::query(AssertSqlSafe(sql)).execute(admin).await.unwrap();
}

#[expect(unsafe_code, reason = "the standard library has no hook for the end of a process")]
fn call_at_exit(function: extern "C" fn()) {
    // SAFETY: the function lives for ever and does not unwind.
    unsafe { libc::atexit(function) };
}

/// Ends the server and removes its folder; must not panic.
extern "C" fn stop_at_exit() {
    let pid = Pid::from_raw(POSTMASTER.load(Ordering::SeqCst));
    for (signal, limit) in [(Signal::SIGINT, 10), (Signal::SIGKILL, 5)] {
        let _ = kill(pid, signal);
        let until = Instant::now() + Duration::from_secs(limit);
        while Instant::now() < until {
            // The server's thread may reap it before us; then there is no child any more.
            let gone = !matches!(
                waitpid(pid, Some(WaitPidFlag::WNOHANG)),
                Ok(nix::sys::wait::WaitStatus::StillAlive)
            );
            if gone {
                if let Some(folder) = FOLDER.get() {
                    remove(folder);
                }
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Where the data lies: in memory if there is room, for a disk's file system is slow to make and remove the thousand
/// files of each test's database.
fn place() -> &'static Path {
    let memory = Path::new("/dev/shm");
    let has_room = statvfs(memory)
        .is_ok_and(|found| i128::from(found.blocks_available()) * i128::from(found.fragment_size()) >= ROOM);
    if has_room { memory } else { Path::new(env!("CARGO_TARGET_TMPDIR")) }
}

/// Ends the servers and removes the folders of runs that were killed.
fn remove_leftovers(place: &Path) {
    for entry in std::fs::read_dir(place).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(owner) = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.parse().ok()) else {
            continue;
        };
        if kill(Pid::from_raw(owner), None).is_ok() {
            continue;
        }
        let cluster = entry.path().join("postgres");
        let postmaster = std::fs::read_to_string(cluster.join("postmaster.pid")).ok();
        if let Some(pid) = postmaster.and_then(|text| text.lines().next()?.parse().ok())
            && std::fs::read_link(format!("/proc/{pid}/cwd")).ok() == cluster.canonicalize().ok()
        {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
        remove(&entry.path());
    }
}

/// Removes a data folder, also where its cluster is only a link.
fn remove(folder: &Path) {
    if let Ok(cluster) = folder.join("postgres").canonicalize() {
        let _ = std::fs::remove_dir_all(cluster);
    }
    let _ = std::fs::remove_dir_all(folder);
}
