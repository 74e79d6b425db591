//! A real PgBouncer in transaction mode before a test's database, ended with the test. Installed by
//! `.ci/setup test`.

use std::fs::{File, Permissions};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use nix::unistd::{User, geteuid};
use tempfile::TempDir;
use url::Url;

use super::DEADLINE;

/// Where packages put it, beside the PATH.
const PROGRAMS: [&str; 2] = ["pgbouncer", "/usr/sbin/pgbouncer"];

/// A pooler that runs.
pub(crate) struct Bouncer {
    process: Child,
    folder: TempDir,
    port: u16,
}

impl Bouncer {
    /// Starts one that shares `server_connections` to the database of `url` among all clients.
    pub(crate) fn before(url: &str, server_connections: u32) -> Self {
        Self::in_mode(url, "transaction", server_connections)
    }

    /// As [`Bouncer::before`], but a client keeps its connection.
    pub(crate) fn in_session_mode(url: &str, server_connections: u32) -> Self {
        Self::in_mode(url, "session", server_connections)
    }

    fn in_mode(url: &str, mode: &str, server_connections: u32) -> Self {
        let url: Url = url.parse().unwrap();
        // Not in the target folder: the account that it runs as may have no way there.
        let folder = tempfile::Builder::new().prefix("bouncer-").tempdir().unwrap();
        std::fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        let users = format!("\"{}\" \"{}\"\n", url.username(), url.password().unwrap_or_default());
        std::fs::write(folder.path().join("users.txt"), users).unwrap();
        // Somebody else may take a port between our look and its start.
        for _ in 0..5 {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let settings = settings(&url, folder.path(), mode, port, server_connections);
            std::fs::write(folder.path().join("pgbouncer.ini"), settings).unwrap();
            let mut process = start(folder.path());
            if accepts(&mut process, port) {
                return Self { process, folder, port };
            }
        }
        panic!("pgbouncer does not start:\n{}", log(folder.path()));
    }

    /// The same database, through the pooler.
    pub(crate) fn url(&self, url: &str) -> String {
        let mut url: Url = url.parse().unwrap();
        url.set_host(Some("127.0.0.1")).unwrap();
        url.set_port(Some(self.port)).unwrap();
        url.to_string()
    }
}

impl Drop for Bouncer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        if std::thread::panicking() {
            eprintln!("pgbouncer's log:\n{}", log(self.folder.path()));
        }
    }
}

fn settings(url: &Url, folder: &Path, mode: &str, port: u16, server_connections: u32) -> String {
    format!(
        "[databases]
* = host={} port={}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {}
pool_mode = {mode}
default_pool_size = {server_connections}
max_client_conn = 500
",
        url.host_str().unwrap(),
        url.port().unwrap(),
        folder.join("users.txt").display(),
    )
}

fn start(folder: &Path) -> Child {
    let out = File::options().create(true).append(true).open(folder.join("log")).unwrap();
    for program in PROGRAMS {
        let mut command = Command::new(program);
        command.arg(folder.join("pgbouncer.ini")).current_dir(folder);
        command.stdout(out.try_clone().unwrap()).stderr(out.try_clone().unwrap());
        // It refuses to run as root.
        if geteuid().is_root() {
            let account = User::from_name("nobody").unwrap().expect("every system has the account nobody");
            command.uid(account.uid.as_raw()).gid(account.gid.as_raw());
        }
        if let Ok(process) = command.spawn() {
            return process;
        }
    }
    panic!("there is no pgbouncer; `.ci/setup test` installs it")
}

fn accepts(process: &mut Child, port: u16) -> bool {
    let until = Instant::now() + DEADLINE;
    while process.try_wait().unwrap().is_none() {
        if TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return true;
        }
        assert!(Instant::now() < until, "pgbouncer does not listen");
        std::thread::sleep(Duration::from_millis(10));
    }
    false
}

fn log(folder: &Path) -> String {
    std::fs::read_to_string(folder.join("log")).unwrap_or_default()
}
