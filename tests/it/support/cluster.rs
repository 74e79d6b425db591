//! A Postgres of a test's own, managed by its programs as an operator would: for what needs another configuration, a
//! standby, roles of its own, or a server that goes away.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, User, chown, geteuid};
use tempfile::TempDir;
use tokio::time::Instant;

use super::DEADLINE;

use super::free_port;

/// The folder of the server's programs: the one given to the tests, else the newest of the usual ones.
pub(crate) fn programs() -> PathBuf {
    if let Some(dir) = std::env::var_os("TIDEMILL_TEST_POSTGRES") {
        return dir.into();
    }
    system_programs().expect("there are programs of Postgres; `.ci/setup test` installs them")
}

/// Those of the machine's packages.
pub(crate) fn system_programs() -> Option<PathBuf> {
    let folders = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let installed = folders.map(|entry| entry.path().join("bin")).filter(|dir| dir.join("initdb").exists());
    installed.max().or_else(|| {
        let path = std::env::var_os("PATH")?;
        std::env::split_paths(&path).find(|dir| dir.join("initdb").exists())
    })
}

/// A program of the server, run as the account that may run it.
pub(crate) fn program(dir: &Path, name: &str) -> Command {
    let mut command = Command::new(dir.join(name));
    as_account(&mut command);
    command
}

/// Lets a command run as an account that Postgres accepts.
pub(crate) fn as_account(command: &mut Command) {
    command.current_dir("/").env("LC_ALL", "C");
    if geteuid().is_root() {
        let account = account();
        command.uid(account.uid.as_raw()).gid(account.gid.as_raw());
    }
}

fn account() -> User {
    let named = |name| User::from_name(name).unwrap();
    named("postgres").or_else(|| named("nobody")).expect("every system has the account nobody")
}

/// Runs it to its end, which must be good.
pub(crate) fn done(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
    output
}

/// A folder that the server's account owns.
pub(crate) fn folder() -> TempDir {
    let folder = tempfile::Builder::new().prefix("tidemill-cluster-").tempdir().unwrap();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    if geteuid().is_root() {
        let account = account();
        chown(folder.path(), Some(account.uid), Some(account.gid)).unwrap();
    }
    folder
}

/// A server with its data, ended with the test.
pub(crate) struct Cluster {
    programs: PathBuf,
    folder: TempDir,
    pub(crate) port: u16,
}

impl Cluster {
    /// A fresh one, in which everybody who asks on loopback is let in.
    pub(crate) fn start(programs: PathBuf, settings: &[&str]) -> Self {
        let cluster = Self { programs, folder: folder(), port: free_port() };
        let arguments = ["-U", "tidemill", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"];
        done(program(&cluster.programs, "initdb").args(arguments).arg("-D").arg(cluster.data()));
        cluster.run(settings);
        cluster
    }

    /// A standby that follows it.
    pub(crate) fn standby(&self) -> Self {
        let standby = Self { programs: self.programs.clone(), folder: folder(), port: free_port() };
        let mut copy = program(&self.programs, "pg_basebackup");
        copy.args([
            "--write-recovery-conf",
            "--checkpoint=fast",
            "--no-sync",
            "--dbname",
            &self.url("postgres"),
        ]);
        done(copy.arg("--pgdata").arg(standby.data()));
        standby.run(&[]);
        standby
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub(crate) fn url(&self, database: &str) -> String {
        format!("postgres://tidemill@127.0.0.1:{}/{database}", self.port)
    }

    /// Starts it, with settings as `name=value`.
    pub(crate) fn run(&self, settings: &[&str]) {
        let mut options =
            format!("-p {} -c listen_addresses=127.0.0.1 -k {}", self.port, self.folder.path().display());
        options += " -c fsync=off -c shared_buffers=16MB";
        for setting in settings {
            options = format!("{options} -c {setting}");
        }
        let log = self.folder.path().join("log");
        let mut start = program(&self.programs, "pg_ctl");
        // Its standard streams must not stay with the server.
        start.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
        start.arg("-D").arg(self.data()).arg("-l").arg(&log).arg("-o").arg(options).args(["-w", "start"]);
        let started = start.status().unwrap();
        assert!(started.success(), "{}", fs::read_to_string(log).unwrap_or_default());
    }

    /// Ends it in order.
    pub(crate) fn stop(&self) {
        done(program(&self.programs, "pg_ctl").arg("-D").arg(self.data()).args(["-m", "fast", "-w", "stop"]));
    }

    /// Ends it as a crash would.
    pub(crate) fn crash(&self) {
        done(program(&self.programs, "pg_ctl").arg("-D").arg(self.data()).args([
            "-m",
            "immediate",
            "-w",
            "stop",
        ]));
    }

    /// Kills it with all its children, as the kernel does where memory is short.
    pub(crate) fn kill(&self) {
        let file = fs::read_to_string(self.data().join("postmaster.pid")).unwrap();
        let postmaster = Pid::from_raw(file.lines().next().unwrap().parse().unwrap());
        // The postmaster first: it would start others.
        kill(postmaster, Signal::SIGKILL).unwrap();
        let data = self.data().canonicalize().unwrap();
        let works =
            |process: &fs::DirEntry| fs::read_link(process.path().join("cwd")).is_ok_and(|dir| dir == data);
        let deadline = Instant::now() + DEADLINE;
        loop {
            let left = fs::read_dir("/proc").unwrap().flatten().filter(works);
            let left: Vec<i32> =
                left.filter_map(|process| process.file_name().to_str()?.parse().ok()).collect();
            // Another one does not start while the process table has the first.
            if left.is_empty() && kill(postmaster, None).is_err() {
                return;
            }
            for pid in left {
                let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            }
            assert!(Instant::now() < deadline, "Postgres does not die");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// What the server wrote since it was made.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    /// Runs statements one after the other, as psql would with these settings.
    pub(crate) fn psql(&self, database: &str, login: &str, sql: &[&str]) -> String {
        let url = self.url(database).replace("tidemill@", &format!("{login}@"));
        psql(&url, sql)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let mut stop = program(&self.programs, "pg_ctl");
        let _ = stop.arg("-D").arg(self.data()).args(["-m", "immediate", "-w", "stop"]).output();
    }
}

/// What psql prints of statements, rows as lines; they must go well.
pub(crate) fn psql(url: &str, sql: &[&str]) -> String {
    let mut command = Command::new("psql");
    command.args(["-qXAt", "-v", "ON_ERROR_STOP=1", url]);
    for statement in sql {
        command.args(["-c", statement]);
    }
    String::from_utf8(done(&mut command).stdout).unwrap().trim().to_owned()
}
