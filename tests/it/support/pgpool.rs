//! A real pgpool-II before a test's database, ended with the test. Installed by `.ci/setup test`.

use std::fs::{File, Permissions};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, User, geteuid};
use tempfile::TempDir;
use url::Url;

use super::{DEADLINE, free_port};

/// Where packages put it, beside the PATH.
const PROGRAMS: [&str; 2] = ["pgpool", "/usr/sbin/pgpool"];

/// A proxy that runs.
pub(crate) struct Pgpool {
    process: Child,
    folder: TempDir,
    port: u16,
}

impl Pgpool {
    /// Starts one in a mode (`backend_clustering_mode`) before the server of `url`.
    pub(crate) fn before(url: &str, mode: &str) -> Self {
        let url: Url = url.parse().unwrap();
        // Not in the target folder: the account that it runs as may have no way there.
        let folder = tempfile::Builder::new().prefix("pgpool-").tempdir().unwrap();
        std::fs::set_permissions(folder.path(), Permissions::from_mode(0o777)).unwrap();
        // Somebody else may take a port between our look and its start.
        for _ in 0..5 {
            let [port, control] = [(); 2].map(|()| free_port());
            let settings = settings(&url, folder.path(), mode, port, control);
            for (file, text) in [("pgpool.conf", settings.as_str()), ("hba", ""), ("pcp", ""), ("passwd", "")]
            {
                std::fs::write(folder.path().join(file), text).unwrap();
            }
            let mut process = start(folder.path());
            if accepts(&mut process, port) {
                return Self { process, folder, port };
            }
        }
        panic!("pgpool does not start:\n{}", log(folder.path()));
    }

    /// The same database, through the proxy.
    pub(crate) fn url(&self, url: &str) -> String {
        let mut url: Url = url.parse().unwrap();
        url.set_host(Some("127.0.0.1")).unwrap();
        url.set_port(Some(self.port)).unwrap();
        url.to_string()
    }
}

impl Drop for Pgpool {
    fn drop(&mut self) {
        // Killed, it would leave its children behind.
        let _ = kill(Pid::from_raw(self.process.id().cast_signed()), Signal::SIGINT);
        let _ = self.process.wait();
        if std::thread::panicking() {
            eprintln!("pgpool's log:\n{}", log(self.folder.path()));
        }
    }
}

fn settings(url: &Url, folder: &Path, mode: &str, port: u16, control: u16) -> String {
    format!(
        "listen_addresses = '127.0.0.1'
port = {port}
pcp_port = {control}
unix_socket_directories = '{folder}'
socket_dir = '{folder}'
pcp_socket_dir = '{folder}'
pid_file_name = '{folder}/pid'
logdir = '{folder}'
backend_clustering_mode = '{mode}'
backend_hostname0 = '{host}'
backend_port0 = {server}
backend_weight0 = 1
backend_flag0 = 'ALLOW_TO_FAILOVER'
enable_pool_hba = off
allow_clear_text_frontend_auth = on
pool_passwd = 'passwd'
num_init_children = 32
max_pool = 1
sr_check_period = 0
",
        folder = folder.display(),
        host = url.host_str().unwrap(),
        server = url.port().unwrap(),
    )
}

fn start(folder: &Path) -> Child {
    let out = File::options().create(true).append(true).open(folder.join("log")).unwrap();
    for program in PROGRAMS {
        let mut command = Command::new(program);
        command.args(["-n", "-f", "pgpool.conf", "-a", "hba", "-F", "pcp"]).current_dir(folder);
        command.stdout(out.try_clone().unwrap()).stderr(out.try_clone().unwrap());
        // As a service it would run under an account of its own as well.
        if geteuid().is_root() {
            let account = User::from_name("nobody").unwrap().expect("every system has the account nobody");
            command.uid(account.uid.as_raw()).gid(account.gid.as_raw());
        }
        if let Ok(process) = command.spawn() {
            return process;
        }
    }
    panic!("there is no pgpool; `.ci/setup test` installs it")
}

fn accepts(process: &mut Child, port: u16) -> bool {
    let until = Instant::now() + DEADLINE;
    while process.try_wait().unwrap().is_none() {
        if TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return true;
        }
        assert!(Instant::now() < until, "pgpool does not listen");
        std::thread::sleep(Duration::from_millis(10));
    }
    false
}

fn log(folder: &Path) -> String {
    std::fs::read_to_string(folder.join("log")).unwrap_or_default()
}
