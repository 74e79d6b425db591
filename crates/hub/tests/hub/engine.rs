//! A Docker engine of the tests' own: its data, its socket, no network but the machine's. Shared by the
//! tests that run at the same time, and ended by its process id when the last of them is done.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use nix::unistd::{geteuid, getgid};
use tempfile::TempDir;

/// Where its networks take their addresses: room for thousands, for the bridges that an engine leaves which was killed
/// stay until the machine is started again, and no engine takes the addresses of another's.
const ADDRESSES: [&str; 2] = ["base=10.213.0.0/16,size=28", "base=192.168.0.0/16,size=28"];
const STARTS_WITHIN: Duration = Duration::from_secs(30);

static SHARED: Mutex<Weak<Engine>> = Mutex::new(Weak::new());

/// A running engine.
pub(crate) struct Engine {
    folder: TempDir,
    child: Child,
    root: Vec<&'static str>,
}

impl Engine {
    /// The engine that tests share; `None` where none can be started, which is printed.
    pub(crate) fn shared() -> Option<Arc<Self>> {
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(engine) = shared.upgrade() {
            return Some(engine);
        }
        let engine = Arc::new(Self::own()?);
        *shared = Arc::downgrade(&engine);
        Some(engine)
    }

    /// One that nobody shares.
    pub(crate) fn own() -> Option<Self> {
        let root = match as_root() {
            Some(root) if Path::new("/bin/busybox").exists() && has("dockerd") && has("docker") => root,
            _ => {
                eprintln!(
                    "SKIPPED: this test starts a Docker engine, which needs root or `sudo -n`, and the packages docker.io \
                     and busybox-static (.ci/setup test installs them)"
                );
                return None;
            }
        };
        // The driver that suits the machine, or the one that suits all.
        let engine = ["", "vfs"].into_iter().find_map(|driver| Self::start(&root, driver));
        if engine.is_none() {
            eprintln!("SKIPPED: no Docker engine starts on this machine; its log is above");
        }
        engine
    }

    fn start(root: &[&'static str], driver: &str) -> Option<Self> {
        let folder = tempfile::Builder::new().prefix("tm-hub-").tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        let log = File::create(folder.path().join("log")).unwrap();
        let mut command = command(root, "dockerd");
        command.args(["--iptables=false", "--ip6tables=false", "--bridge=none"]);
        command.args(["--data-root", &path("data"), "--exec-root", &path("exec"), "--pidfile", &path("pid")]);
        command.args(["--host", &format!("unix://{}", path("sock")), "--group", &getgid().to_string()]);
        for addresses in ADDRESSES {
            command.args(["--default-address-pool", addresses]);
        }
        if !driver.is_empty() {
            command.args(["--storage-driver", driver]);
        }
        let child =
            command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
        let mut engine = Self { folder, child, root: root.to_vec() };
        let began = Instant::now();
        while began.elapsed() < STARTS_WITHIN && engine.child.try_wait().unwrap().is_none() {
            if engine.docker(&["version"]).is_some() {
                return Some(engine);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        eprintln!("{}", fs::read_to_string(engine.folder.path().join("log")).unwrap_or_default());
        None
    }

    /// Where it listens, as the config takes it.
    pub(crate) fn address(&self) -> String {
        format!("unix://{}", self.folder.path().join("sock").display())
    }

    /// What the program `docker` prints; `None` if it fails.
    pub(crate) fn docker(&self, args: &[&str]) -> Option<String> {
        let output = Command::new("docker").arg("--host").arg(self.address()).args(args).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// The lines that it prints.
    pub(crate) fn lines(&self, args: &[&str]) -> Vec<String> {
        let output = self.docker(args).unwrap_or_else(|| panic!("docker {args:?} fails"));
        let mut lines: Vec<_> = output.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    }

    /// The services of a project whose containers run, by `docker ps`.
    pub(crate) fn running(&self, project: &str) -> Vec<String> {
        let filter = format!("label=com.docker.compose.project={project}");
        self.lines(&["ps", "--filter", &filter, "--format", "{{.Label \"com.docker.compose.service\"}}"])
    }

    /// All containers of a project, running or not.
    pub(crate) fn containers(&self, project: &str) -> Vec<String> {
        let filter = format!("label=com.docker.compose.project={project}");
        self.lines(&["ps", "--all", "--no-trunc", "--filter", &filter, "--format", "{{.ID}}"])
    }

    /// Sends it a signal, such as `STOP`.
    pub(crate) fn signal(&self, signal: &str) {
        let pid = fs::read_to_string(self.folder.path().join("pid")).unwrap();
        let sent = command(&self.root, "kill").args([&format!("-{signal}"), pid.trim()]).status().unwrap();
        assert!(sent.success());
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|ended| ended.is_some()) {
            return;
        }
        let all = self.docker(&["ps", "--all", "--quiet"]).unwrap_or_default();
        for id in all.lines() {
            let _ = self.docker(&["rm", "--force", id]);
        }
        // Else their bridges stay in the machine.
        let _ = self.docker(&["network", "prune", "--force"]);
        self.signal("TERM");
        let began = Instant::now();
        while began.elapsed() < STARTS_WITHIN && self.child.try_wait().is_ok_and(|ended| ended.is_none()) {
            std::thread::sleep(Duration::from_millis(20));
        }
        // What it leaves mounted, such as the network of the machine, cannot be taken away.
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        let mounted = mounts.lines().filter_map(|line| line.split(' ').nth(1));
        for mount in mounted.filter(|mount| Path::new(mount).starts_with(self.folder.path())) {
            let _ = command(&self.root, "umount").arg(mount).status();
        }
        // What belongs to root is taken away as root.
        let _ = command(&self.root, "rm").arg("-rf").arg(self.folder.path().join("data")).status();
        let _ = command(&self.root, "rm").arg("-rf").arg(self.folder.path().join("exec")).status();
    }
}

/// What goes before a command that only root may run.
fn as_root() -> Option<Vec<&'static str>> {
    if geteuid().is_root() {
        return Some(vec![]);
    }
    let quiet = Command::new("sudo").args(["-n", "true"]).stderr(Stdio::null()).status();
    quiet.is_ok_and(|status| status.success()).then(|| vec!["sudo", "-n"])
}

fn command(root: &[&str], program: &str) -> Command {
    let mut words = root.iter().copied().chain([program]);
    let mut command = Command::new(words.next().unwrap());
    command.args(words);
    // Where Debian keeps it, which is not on everybody's path.
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{path}:/usr/sbin:/sbin"));
    command
}

fn has(program: &str) -> bool {
    let path = std::env::var("PATH").unwrap_or_default();
    let folders = path.split(':').chain(["/usr/sbin", "/sbin"]).map(PathBuf::from);
    folders.into_iter().any(|folder| folder.join(program).exists())
}
