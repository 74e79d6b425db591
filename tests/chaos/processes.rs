//! The processes of one scenario: a durable Postgres, an API, two workers, each the real program. Starts, kills and
//! counts them; must leave none behind, and signals only what it started itself.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;
use tidemill::embedded::{EmbeddedPostgres, Settings};
use uuid::Uuid;

const MARKER: &str = "CHAOS_MARKER";
const TIMEOUT: Duration = Duration::from_secs(20);

const NOTE: &str = r#"read -r began _ </proc/uptime
note() { read -r now _ </proc/uptime; echo "$TIDEMILL_JOB_ID $TIDEMILL_ATTEMPT $$-$began $now $1" >>"$LEDGER"; }
"#;

/// How many parts a slow job reports.
pub const PARTS: i64 = 20;

/// How many jobs of each line may run at once.
pub const MOST_OF_A_LINE: i64 = 1;
/// How many slow jobs may run at once.
pub const MOST_SLOW: i64 = 6;

/// A process that exists, distinguished from a later one with the same id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Seen {
    pid: i32,
    started: String,
}

/// One of ours that is started again whenever it ends.
#[derive(Debug)]
struct Program {
    name: &'static str,
    /// None between a kill and the next start.
    child: Option<Child>,
}

pub struct Mill {
    folder: Option<TempDir>,
    path: PathBuf,
    marker: String,
    api: SocketAddr,
    postgres: Option<EmbeddedPostgres>,
    programs: Vec<Program>,
    /// All that was ever seen below our programs.
    seen: BTreeSet<Seen>,
    /// How often a program ended though nobody killed it.
    pub gave_up: Vec<String>,
    /// A library that workers load before all others.
    preload: Option<PathBuf>,
}

impl Mill {
    pub async fn start() -> Self {
        Self::start_with(|_| None).await
    }

    /// Starts one whose workers load a library that is made in its folder.
    pub async fn start_with(library: impl FnOnce(&Path) -> Option<PathBuf>) -> Self {
        Self::start_as(library, "2s").await
    }

    /// Starts one whose leases last so long.
    pub async fn start_with_leases(lease: &str) -> Self {
        Self::start_as(|_| None, lease).await
    }

    async fn start_as(library: impl FnOnce(&Path) -> Option<PathBuf>, lease: &str) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        let folder = tempfile::Builder::new().prefix("chaos-").permissions(open).tempdir().unwrap();
        let path = folder.path().canonicalize().unwrap();
        let postgres = EmbeddedPostgres::start(Settings::new(path.join("data"))).await.unwrap();
        let api = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        write_config(&path, lease);
        let preload = library(&path);
        let mut mill = Self {
            folder: Some(folder),
            path,
            marker: Uuid::new_v4().to_string(),
            api,
            postgres: Some(postgres),
            programs: Vec::new(),
            seen: BTreeSet::new(),
            gave_up: Vec::new(),
            preload,
        };
        for name in ["serve", "worker-1", "worker-2"] {
            let child = mill.spawn(name);
            mill.programs.push(Program { name, child: Some(child) });
            // The first one makes the tables.
            mill.answers().await;
        }
        mill
    }

    pub fn api_url(&self) -> String {
        format!("http://{}", self.api)
    }

    pub fn database(&self) -> String {
        self.postgres().url().to_owned()
    }

    pub fn ledger(&self) -> PathBuf {
        self.path.join("ledger")
    }

    /// Keeps the folder for the analysis of a failure.
    pub fn keep(&mut self) -> PathBuf {
        self.folder.take().map_or_else(|| self.path.clone(), TempDir::keep)
    }

    /// Waits until the API answers.
    pub async fn answers(&mut self) {
        let url = format!("{}/readyz", self.api_url());
        let deadline = Instant::now() + TIMEOUT;
        while !reqwest::get(&url).await.is_ok_and(|answer| answer.status() == 200) {
            self.supervise();
            assert!(Instant::now() < deadline, "the API is not ready; see {}", self.path.display());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Starts again what ended by itself, and remembers that it did.
    pub fn supervise(&mut self) {
        for at in 0..self.programs.len() {
            let Program { name, child } = &mut self.programs[at];
            let (name, ended) = (*name, child.as_mut().and_then(|child| child.try_wait().unwrap()));
            if let Some(status) = ended {
                self.gave_up.push(format!("{name} ended with {status}"));
                self.start_again(name);
            }
        }
    }

    /// Kills a program; true if it lived until then.
    pub fn kill(&mut self, name: &str) -> bool {
        self.look_below(name);
        let mut child = self.program(name).child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap().signal() == Some(Signal::SIGKILL as i32)
    }

    /// Sends a signal that does not end it.
    pub fn signal(&mut self, name: &str, signal: Signal) {
        let child = self.program(name).child.as_ref().unwrap();
        kill(Pid::from_raw(child.id().cast_signed()), signal).unwrap();
    }

    pub fn start_again(&mut self, name: &str) {
        let child = self.spawn(name);
        self.program(name).child = Some(child);
    }

    /// Kills the postmaster and all its children; true if they lived until then and are gone now.
    pub async fn kill_postgres(&mut self) -> bool {
        let postmaster = self.postgres().postmaster_pid();
        let hit = is_alive(postmaster);
        let cluster = self.path.join("data/postgres").canonicalize().unwrap();
        let deadline = Instant::now() + TIMEOUT;
        kill_hard(postmaster);
        loop {
            let left = working_in(&cluster);
            if left.is_empty() {
                return hit;
            }
            left.into_iter().for_each(kill_hard);
            assert!(Instant::now() < deadline, "Postgres does not die");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Stops, or lets go on, the postmaster and all its children.
    pub fn freeze_postgres(&self, freeze: bool) {
        let cluster = self.path.join("data/postgres").canonicalize().unwrap();
        let signal = if freeze { Signal::SIGSTOP } else { Signal::SIGCONT };
        for pid in working_in(&cluster) {
            let _ = kill(Pid::from_raw(pid), signal);
        }
    }

    /// Ends Postgres as `pg_ctl -m immediate` does.
    pub async fn end_postgres_at_once(&mut self) {
        kill(Pid::from_raw(self.postgres().postmaster_pid()), Signal::SIGQUIT).unwrap();
        self.postgres.as_mut().unwrap().ended().await;
    }

    pub async fn restart_postgres(&mut self) {
        self.postgres.as_mut().unwrap().restart().await.unwrap();
    }

    /// Ends everything; answers what is left of it.
    pub async fn stop(&mut self) -> Vec<String> {
        for at in 0..self.programs.len() {
            self.look_below(self.programs[at].name);
            let Program { name, child } = &mut self.programs[at];
            let child = child.as_mut().unwrap();
            let _ = kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGTERM);
            let deadline = Instant::now() + TIMEOUT;
            while child.try_wait().unwrap().is_none() {
                assert!(Instant::now() < deadline, "{name} does not stop");
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
        self.postgres.take().unwrap().stop().await.unwrap();
        let deadline = Instant::now() + TIMEOUT;
        loop {
            let left = self.left();
            if left.is_empty() || Instant::now() >= deadline {
                return left;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn postgres(&self) -> &EmbeddedPostgres {
        self.postgres.as_ref().expect("it is taken only by stop")
    }

    fn program(&mut self, name: &str) -> &mut Program {
        self.programs.iter_mut().find(|program| program.name == name).expect("it is one of the three")
    }

    fn spawn(&self, name: &str) -> Child {
        let log = OpenOptions::new().create(true).append(true).open(self.path.join(format!("{name}.log")));
        let (log, database) = (log.unwrap(), self.database());
        let mut command = Command::new(crate::binary::tidemill());
        for (variable, _) in std::env::vars().filter(|(variable, _)| variable.starts_with("TIDEMILL_")) {
            command.env_remove(variable);
        }
        match name {
            "serve" => command.args(["serve", "--listen", &self.api.to_string()]),
            _ => command.arg("worker").env("TIDEMILL_WORKER__NAME", name),
        };
        if let Some(library) = self.preload.as_ref().filter(|_| name != "serve") {
            command.env("LD_PRELOAD", library);
        }
        command
            .current_dir(&self.path)
            .env(MARKER, &self.marker)
            .env("TIDEMILL_DATABASE__URL", database)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap()
    }

    fn look_below(&mut self, name: &str) {
        let Some(child) = &self.program(name).child else { return };
        let mut parents = BTreeSet::from([child.id().cast_signed()]);
        let all = all_processes();
        loop {
            let known = parents.len();
            for (seen, parent) in &all {
                if parents.contains(parent) && parents.insert(seen.pid) {
                    self.seen.insert(seen.clone());
                }
            }
            if parents.len() == known {
                return;
            }
        }
    }

    /// Live processes that carry our mark, work in our cluster, or were seen below our programs.
    fn left(&self) -> Vec<String> {
        let mark = format!("{MARKER}={}", self.marker);
        let cluster = self.path.join("data/postgres");
        let cluster = cluster.canonicalize().unwrap_or(cluster);
        let is_ours = |seen: &Seen| {
            self.seen.contains(seen)
                || fs::read(format!("/proc/{}/environ", seen.pid))
                    .is_ok_and(|text| text.split(|byte| *byte == 0).any(|entry| entry == mark.as_bytes()))
                || works_in(seen.pid, &cluster)
        };
        let ours = all_processes().into_iter().map(|(seen, _)| seen).filter(|seen| is_alive(seen.pid));
        ours.filter(is_ours).map(|seen| format!("process {}: {}", seen.pid, words_of(seen.pid))).collect()
    }
}

impl Drop for Mill {
    fn drop(&mut self) {
        for child in self.programs.iter_mut().filter_map(|program| program.child.as_mut()) {
            let _ = child.kill();
            let _ = child.wait();
        }
        if let Some(postgres) = &self.postgres {
            kill_hard(postgres.postmaster_pid());
            working_in(&self.path.join("data/postgres")).into_iter().for_each(kill_hard);
        }
        if std::thread::panicking() {
            println!("logs and ledger are kept in {}", self.keep().display());
        }
    }
}

fn write_config(path: &Path, lease: &str) {
    let ledger = path.join("ledger");
    File::create(&ledger).unwrap();
    let quick = format!("{NOTE}note begin\nnote end\n");
    let slow = format!(
        r#"{NOTE}note begin
n=0
while [ $n -lt {PARTS} ]; do
  n=$((n + 1))
  echo "{{\"progress\":{{\"percent\":$n,\"step\":\"part $n\",\"data\":{{\"run\":\"$$-$began\",\"n\":$n}}}}}}" >&3
  sleep 0.05
done
note end
"#
    );
    let build = format!("{NOTE}note begin\nwhile [ ! -e finish ]; do sleep 0.05; done\nnote end\n");
    fs::write(path.join("build.sh"), build).unwrap();
    fs::write(path.join("quick.sh"), quick).unwrap();
    fs::write(path.join("slow.sh"), slow).unwrap();
    let kind = |kind: &str| {
        format!(
            "[kinds.{kind}]\ncommand = [\"sh\", \"{kind}.sh\"]\nqueue = \"{kind}\"\nmax_attempts = 100\n\
             backoff = {{ first = \"100ms\", max = \"500ms\" }}\nenv = {{ LEDGER = \"{}\" }}\n",
            ledger.display()
        )
    };
    let limits =
        format!("[limits.line]\nmax_running = {MOST_OF_A_LINE}\n[limits.slow]\nmax_running = {MOST_SLOW}\n");
    let build = |kind: &str, then: &str| {
        format!(
            "[kinds.{kind}]\ncommand = [\"sh\", \"build.sh\"]\nqueue = \"{kind}\"\nmax_attempts = 1\n\
             on_lost_contact = \"{then}\"\nenv = {{ LEDGER = \"{}\" }}\n[queues.{kind}]\nslots = 1\n",
            ledger.display()
        )
    };
    let config = format!(
        "[worker]\nlease_ttl = \"{lease}\"\nheartbeat = \"500ms\"\n[keeper]\nsweep = \"500ms\"\n\
         [queues.quick]\nslots = 3\n[queues.slow]\nslots = 6\n{limits}{}{}{}{}",
        kind("quick"),
        kind("slow"),
        build("goes-on", "continue"),
        build("stops", "stop")
    );
    fs::write(path.join("tidemill.toml"), config).unwrap();
}

fn kill_hard(pid: i32) {
    let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
}

fn working_in(cluster: &Path) -> Vec<i32> {
    let all = all_processes().into_iter().map(|(seen, _)| seen.pid);
    all.filter(|pid| works_in(*pid, cluster) && is_alive(*pid)).collect()
}

fn works_in(pid: i32, folder: &Path) -> bool {
    fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|dir| dir == folder)
}

/// Every process with its parent.
fn all_processes() -> Vec<(Seen, i32)> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter_map(|pid: i32| {
        let fields = stat(pid)?;
        Some((Seen { pid, started: fields.get(19)?.clone() }, fields.get(1)?.parse().ok()?))
    })
    .collect()
}

fn is_alive(pid: i32) -> bool {
    stat(pid).is_some_and(|fields| !matches!(fields[0].as_str(), "Z" | "X"))
}

/// The fields of `/proc/PID/stat` behind the name: state, parent, …
fn stat(pid: i32) -> Option<Vec<String>> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    Some(text.rsplit_once(')')?.1.split_whitespace().map(str::to_owned).collect())
}

fn words_of(pid: i32) -> String {
    fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default().replace('\0', " ")
}
