//! The processes that stand before viewers: `tidemill serve`, and a worker. Each can be killed and started again.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::support::wait_for;

fn binary() -> PathBuf {
    std::env::var_os("TIDEMILL_VIEWERS_BINARY").map_or_else(crate::binary::tidemill, PathBuf::from)
}

/// A process of the binary in a folder of its own.
pub(super) struct Program {
    folder: TempDir,
    words: Vec<String>,
    process: Child,
}

impl Program {
    pub(super) fn start(database: &str, config: &str, words: &[&str]) -> Self {
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        let folder = tempfile::Builder::new().permissions(open).tempdir().unwrap();
        let config = format!("[database]\nurl = '{database}'\n{config}");
        std::fs::write(folder.path().join("tidemill.toml"), config).unwrap();
        let words = words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
        let process = Self::spawn(folder.path(), &words);
        Self { folder, words, process }
    }

    fn spawn(folder: &Path, words: &[String]) -> Child {
        Command::new(binary())
            .args(words)
            .current_dir(folder)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(folder.join("log")).unwrap())
            .kill_on_drop(true)
            .spawn()
            .unwrap()
    }

    /// Ends it without any warning.
    pub(super) async fn kill(&mut self) {
        self.process.kill().await.unwrap();
    }

    pub(super) fn restart(&mut self) {
        self.process = Self::spawn(self.folder.path(), &self.words);
    }

    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The memory that it has, in bytes.
    fn memory(&self) -> u64 {
        let pid = self.process.id().expect("it runs");
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
    }
}

/// A process `tidemill serve`, which keeps its port.
pub(super) struct Api {
    program: Program,
    pub(super) address: SocketAddr,
}

impl Api {
    pub(super) async fn start(database: &str) -> Self {
        // Another test of this process may have installed one already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let limits = "max_connections = 20000\nmax_streams_per_address = 20000\nmax_streams_per_key = 20000";
        // A port that was free a moment ago: the process must come back on the same.
        let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let words = ["serve", "--listen", &address.to_string()];
        let api = Self { program: Program::start(database, &format!("[api]\n{limits}\n"), &words), address };
        api.ready().await;
        api
    }

    pub(super) async fn is_ready(&self) -> bool {
        let url = format!("http://{}/readyz", self.address);
        reqwest::get(&url).await.is_ok_and(|answer| answer.status() == 200)
    }

    pub(super) async fn ready(&self) {
        wait_for("the API is ready", async || self.is_ready().await.then_some(())).await;
    }

    pub(super) async fn kill(&mut self) {
        self.program.kill().await;
    }

    pub(super) async fn restart(&mut self) {
        self.program.restart();
        self.ready().await;
    }

    pub(super) fn memory(&self) -> u64 {
        self.program.memory()
    }

    pub(super) async fn post(&self, path: &str, body: Value) -> Value {
        let sent = reqwest::Client::new().post(format!("http://{}{path}", self.address)).json(&body);
        sent.send().await.unwrap().error_for_status().unwrap().json().await.unwrap()
    }

    /// A job that a remote worker runs; answers its id and lease.
    pub(super) async fn running(&self) -> (String, String) {
        self.post("/api/v1/jobs", json!({"kind": "watched"})).await;
        let claim = json!({"worker": "w", "kinds": ["watched"], "queues": ["default"], "max": 1});
        let claimed = self.post("/api/v1/worker/claim", claim).await;
        let part = |name: &str| claimed["jobs"][0][name].as_str().unwrap().to_owned();
        (part("id"), part("lease_id"))
    }
}
