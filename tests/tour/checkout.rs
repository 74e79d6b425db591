//! A folder that looks like a clone after `make run`, and in it a `tidemill dev` as `make run` starts it. Only the
//! port is another one, so that it may run beside whatever listens on 8080.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;

use crate::document;
use crate::lines::Lines;

const START: Duration = Duration::from_mins(1);
const STOP: Duration = Duration::from_secs(60);

pub(crate) struct Checkout {
    folder: TempDir,
    dev: Child,
    /// What `dev` prints at its start.
    banner: Vec<String>,
}

impl Checkout {
    /// Starts `dev` with these words behind it, and waits until it has printed all.
    pub(crate) fn start(words: &[&str]) -> Self {
        let open = Permissions::from_mode(0o755);
        let folder = tempfile::Builder::new().permissions(open).tempdir().unwrap();
        for name in ["tidemill.toml", "examples"] {
            symlink(document::root().join(name), folder.path().join(name)).unwrap();
        }
        fs::create_dir_all(folder.path().join("target/demo")).unwrap();
        symlink(crate::binary::tidemill(), folder.path().join("target/demo/tidemill")).unwrap();
        let mut dev = command("target/demo/tidemill", folder.path())
            .arg("dev")
            .args(words)
            .args(["--listen", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .stderr(File::create(folder.path().join("dev.log")).unwrap())
            .spawn()
            .unwrap();
        let lines = Lines::of(dev.stdout.take().unwrap());
        let mut checkout = Self { folder, dev, banner: Vec::new() };
        checkout.banner = lines.until(START, |line| line.contains("Ctrl-C"));
        checkout
    }

    /// Starts `dev` with the words that the Makefile gives it.
    pub(crate) fn make_run() -> Self {
        let makefile = document::read("Makefile");
        let line = makefile.lines().find_map(|line| line.strip_prefix("\ttarget/demo/tidemill dev "));
        Self::start(&line.expect("make run starts tidemill dev").split_whitespace().collect::<Vec<_>>())
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The address that takes the place of 127.0.0.1:8080.
    pub(crate) fn address(&self) -> String {
        let urls: Value =
            serde_json::from_slice(&fs::read(self.path().join(".tidemill/urls.json")).unwrap()).unwrap();
        urls["http"].as_str().unwrap().trim_start_matches("http://").to_owned()
    }

    /// What the banner says of something.
    pub(crate) fn printed(&self, label: &str) -> &str {
        let found = self.banner.iter().find_map(|line| line.trim_start().strip_prefix(label));
        found.unwrap_or_else(|| panic!("no {label} in {:?}", self.banner)).trim()
    }

    /// Ctrl-C.
    pub(crate) fn end(&mut self) -> ExitStatus {
        kill(Pid::from_raw(self.dev.id().cast_signed()), Signal::SIGINT).unwrap();
        let deadline = Instant::now() + STOP;
        while Instant::now() < deadline {
            if let Some(status) = self.dev.try_wait().unwrap() {
                return status;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("dev does not end")
    }
}

impl Drop for Checkout {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", fs::read_to_string(self.path().join("dev.log")).unwrap_or_default());
        }
        // Asked first: it then ends its Postgres too.
        if matches!(self.dev.try_wait(), Ok(None)) {
            let _ = kill(Pid::from_raw(self.dev.id().cast_signed()), Signal::SIGTERM);
            let deadline = Instant::now() + STOP;
            while Instant::now() < deadline && matches!(self.dev.try_wait(), Ok(None)) {
                std::thread::sleep(Duration::from_millis(20));
            }
            let _ = self.dev.kill();
            let _ = self.dev.wait();
        }
    }
}

/// A command as a reader's terminal runs it: in that folder, with no setting or proxy of ours.
pub(crate) fn command(program: &str, folder: &Path) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        if name.starts_with("TIDEMILL_") || name.starts_with("PG") || name.starts_with("DATABASE") {
            command.env_remove(name);
        }
    }
    command.current_dir(folder).env("no_proxy", "127.0.0.1").stdin(Stdio::null());
    command
}
