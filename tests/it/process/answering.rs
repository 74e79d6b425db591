//! A process that answers HTTP on loopback, and ends with the test. Must never outlive it.

use std::cell::RefCell;
use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use reqwest::Method;
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::{Child, Command};
use url::Url;

use crate::support::{Db, free_port, wait_at_most};

/// Such a process.
pub(super) struct Answering {
    pub(super) address: String,
    /// Where it runs.
    pub(super) folder: TempDir,
    child: RefCell<Child>,
    http: reqwest::Client,
}

impl Answering {
    /// One of the binary, on a database, with these variables.
    pub(super) async fn tidemill(db: &Db, command: &str, config: &str, env: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = format!("[database]\nurl = '{}'\n{config}", db.options().url);
        fs::write(folder.path().join("tidemill.toml"), config).unwrap();
        let listen = format!("127.0.0.1:{}", free_port());
        let words = [command, "--listen", &listen];
        Self::start(&crate::binary::tidemill(), &words, &listen, folder, "/readyz", env).await
    }

    /// One of any program, once it answers `ready`.
    pub(super) async fn start(
        program: &Path,
        words: &[&str],
        address: &str,
        folder: TempDir,
        ready: &str,
        env: &[(&str, &str)],
    ) -> Self {
        let child = Command::new(program)
            .args(words)
            .envs(env.iter().copied())
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(folder.path().join("log")).unwrap())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        // Another test of this process may have installed one already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let started = Self { http, address: address.to_owned(), folder, child: RefCell::new(child) };
        wait_at_most(Duration::from_secs(60), &words.join(" "), async || {
            let ended = started.child.borrow_mut().try_wait().unwrap();
            assert!(ended.is_none(), "{words:?} ended: {}", started.log());
            started.get(ready, &[]).await.map(|_| ())
        })
        .await;
        started
    }

    /// The body of a GET that succeeds.
    pub(super) async fn get(&self, path: &str, query: &[(&str, &str)]) -> Option<String> {
        let mut url = Url::parse(&format!("http://{}{path}", self.address)).unwrap();
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let answer = self.http.get(url).send().await.ok()?;
        if !answer.status().is_success() {
            return None;
        }
        answer.text().await.ok()
    }

    /// The answer to a POST that succeeds.
    pub(super) async fn post(&self, path: &str, headers: &[(&str, &str)], body: &Value) -> Value {
        let mut request =
            self.http.request(Method::POST, format!("http://{}{path}", self.address)).json(body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = request.send().await.unwrap();
        let (status, text) = (answer.status(), answer.text().await.unwrap());
        assert!(status.is_success(), "{path}: {status} {text}");
        serde_json::from_str(&text).unwrap_or(Value::Null)
    }

    pub(super) fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap()
    }
}
