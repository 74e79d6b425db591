//! A `tidemill dev` with projects, as a process of its own, and its HTTP routes.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::engine::Engine;
use crate::{DEADLINE, wait_for};

/// Assembles a [`Hub`].
pub(crate) struct Builder {
    folder: TempDir,
    config: String,
    projects: String,
    path: Option<String>,
}

impl Builder {
    /// Settings of `[hub]` beside the engine's address.
    pub(crate) fn new(engine: &str, settings: &str) -> Self {
        let open = fs::Permissions::from_mode(0o755);
        let folder = tempfile::Builder::new().prefix("tm-hub-").permissions(open).tempdir().unwrap();
        // What crashes does so at once here, unless a test says otherwise.
        let settle = if settings.contains("settle") { "" } else { "settle = '500ms'" };
        let config = format!(
            "[worker]\nlease_ttl = '10s'\nheartbeat = '1s'\n[keeper]\nsweep = '500ms'\n[hub]\nengine = '{engine}'\n{settle}\n{settings}\n"
        );
        Self { folder, config, projects: String::new(), path: None }
    }

    /// A project with a compose file; the folder of its images' context is `NAME/app`.
    pub(crate) fn project(mut self, name: &str, compose: &str, dockerfile: &str) -> Self {
        let folder = self.folder.path().join(name);
        fs::create_dir_all(folder.join("app")).unwrap();
        fs::write(folder.join("compose.yaml"), compose).unwrap();
        fs::write(folder.join("app/Dockerfile"), dockerfile).unwrap();
        fs::copy("/bin/busybox", folder.join("app/busybox")).unwrap();
        let _ = write!(self.projects, "[hub.projects.{name}]\ncompose = '{name}/compose.yaml'\n");
        self
    }

    /// A project that only the config describes.
    pub(crate) fn configured(mut self, name: &str, settings: &str) -> Self {
        let _ = write!(self.projects, "[hub.projects.{name}]\n{settings}\n");
        self
    }

    /// It finds the programs that its database needs, and none of Docker's.
    pub(crate) fn without_docker(mut self) -> Self {
        let folder = self.folder.path().join("programs");
        fs::create_dir(&folder).unwrap();
        for name in ["true", "ps"] {
            std::os::unix::fs::symlink(Path::new("/bin").join(name), folder.join(name)).unwrap();
        }
        self.path = Some(folder.display().to_string());
        self
    }

    pub(crate) async fn start(self) -> Hub {
        fs::write(self.folder.path().join("tidemill.toml"), format!("{}{}", self.config, self.projects))
            .unwrap();
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut hub = Hub {
            folder: self.folder,
            path: self.path,
            child: None,
            url: String::new(),
            database: String::new(),
            http: reqwest::Client::new(),
        };
        hub.run().await;
        hub
    }
}

/// A hub that runs.
pub(crate) struct Hub {
    folder: TempDir,
    path: Option<String>,
    child: Option<Child>,
    url: String,
    pub(crate) database: String,
    pub(crate) http: reqwest::Client,
}

impl Hub {
    /// Starts the process, also again on the same data.
    pub(crate) async fn run(&mut self) {
        let data = self.folder.path().join("data");
        let _ = fs::remove_file(data.join("urls.json"));
        let log = fs::File::options().create(true).append(true).open(self.path("log")).unwrap();
        let child = Command::new(crate::binary::tidemill())
            .args(["dev", "--listen", "127.0.0.1:0", "--config"])
            .arg(self.path("tidemill.toml"))
            .arg("--data-dir")
            .arg(&data)
            .envs(self.path.iter().map(|path| ("PATH", path)))
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let child = self.child.insert(child);
        let folder = self.folder.path();
        let urls = wait_for("the hub answers", async || {
            let ended = child.try_wait().unwrap();
            assert!(ended.is_none(), "{}", fs::read_to_string(folder.join("log")).unwrap());
            serde_json::from_str::<Value>(&fs::read_to_string(data.join("urls.json")).ok()?).ok()
        });
        let urls = urls.await;
        self.url = urls["http"].as_str().unwrap().to_owned();
        self.database = urls["database"].as_str().unwrap().to_owned();
    }

    pub(crate) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Ends the process at once, without a word.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        answer(self.http.get(format!("{}{path}", self.url))).await
    }

    pub(crate) async fn post(&self, path: &str, body: Option<Value>) -> (u16, Value) {
        let request = self.http.post(format!("{}{path}", self.url));
        answer(if let Some(body) = body { request.json(&body) } else { request }).await
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> (u16, Value) {
        answer(self.http.put(format!("{}{path}", self.url)).json(&body)).await
    }

    /// The status, and the problem if there is one.
    pub(crate) async fn delete(&self, path: &str) -> (u16, Value) {
        let response = self.http.delete(format!("{}{path}", self.url)).send().await.expect("the hub answers");
        let status = response.status().as_u16();
        (status, response.json().await.unwrap_or_default())
    }

    /// Asks for something that is done to a project; answers the task's id.
    pub(crate) async fn ask(&self, project: &str, verb: &str, body: Option<Value>) -> String {
        let (status, taken) = self.post(&format!("/api/orchestration/{project}/{verb}"), body).await;
        assert_eq!((status, &taken["status"]), (200, &json!("pending")), "{taken}");
        taken["task_id"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn status(&self, task: &str) -> Value {
        let (status, body) = self.get(&format!("/api/orchestration/task-status/{task}")).await;
        assert_eq!(status, 200, "{body}");
        body
    }

    /// Polls until the task stands as wanted.
    pub(crate) async fn until(&self, task: &str, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let began = Instant::now();
        loop {
            let status = self.status(task).await;
            if fits(&status) {
                return status;
            }
            let over = status["ready"] == true || began.elapsed() > DEADLINE;
            assert!(!over, "never {what}: {status}\n{}", fs::read_to_string(self.path("log")).unwrap());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Polls until the task is over, in this state.
    pub(crate) async fn ends(&self, task: &str, state: &str) -> Value {
        let status = self.until(task, "over", |status| status["ready"] == true).await;
        assert_eq!(status["state"], state, "{status}");
        status
    }

    pub(crate) async fn job(&self, task: &str) -> Value {
        self.get(&format!("/api/v1/jobs/{task}")).await.1
    }

    /// The events of a task, of one type.
    pub(crate) async fn events(&self, task: &str, kind: &str) -> Vec<Value> {
        let (_, page) = self.get(&format!("/api/v1/jobs/{task}/events?types={kind}&limit=1000")).await;
        page["items"].as_array().unwrap_or_else(|| panic!("{page}")).clone()
    }

    /// The lines of its build so far.
    pub(crate) async fn build_lines(&self, task: &str) -> Vec<String> {
        let events = self.events(task, "log").await;
        let line = |event: &Value| {
            let data = event.get("data").unwrap_or(event);
            data["line"].as_str().map(str::to_owned)
        };
        events.iter().filter_map(line).collect()
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        // The second says: at once. A third would leave its Postgres behind.
        for limit in [Duration::from_secs(2), DEADLINE] {
            let _ = kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGTERM);
            let began = Instant::now();
            while began.elapsed() < limit {
                if child.try_wait().is_ok_and(|ended| ended.is_some()) {
                    return;
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        }
    }
}

async fn answer(request: reqwest::RequestBuilder) -> (u16, Value) {
    let response = request.send().await.expect("the hub answers");
    let status = response.status().as_u16();
    (status, response.json().await.expect("it answers JSON"))
}

/// A file with one service `web` that is built from `app`, and further lines of it.
pub(crate) fn compose(more: &str) -> String {
    // What runs `sleep` heeds no signal: it ends at once here, unless a test says how it is stopped.
    let stop = if more.contains("stop_") { "" } else { "    stop_grace_period: 0s\n" };
    format!(
        "services:\n  web:\n    build: {{ context: app, network: host }}\n    network_mode: host\n{stop}{more}"
    )
}

/// A file that makes an image with busybox, after these steps, which runs `sleep`.
pub(crate) fn dockerfile(steps: &str) -> String {
    format!("FROM scratch\nCOPY busybox /bin/busybox\n{steps}\nCMD [\"/bin/busybox\", \"sleep\", \"1000\"]\n")
}

/// The engine that tests share and a hub on it; `None` where there can be no engine.
pub(crate) fn on(engine: &Engine, settings: &str) -> Builder {
    Builder::new(&engine.address(), settings)
}
