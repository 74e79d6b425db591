//! The example of an extension, as somebody else's program: its kinds run, its route answers, its
//! setting is read and its limit holds.

use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::process::{Child, Command};

/// Where `cargo build` leaves it.
fn program() -> std::path::PathBuf {
    crate::binary::tidemill().parent().unwrap().join("tidemill-example-extension")
}

/// Its server, which ends with the test.
struct Postcards {
    _process: Child,
    folder: tempfile::TempDir,
    http: reqwest::Client,
}

impl Postcards {
    async fn start() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        std::fs::write(folder.path().join("tidemill.toml"), "[postcards]\nsignature = 'Yours'\n").unwrap();
        let process = Command::new(program())
            .args(["dev", "--listen", "127.0.0.1:0", "--data-dir", "data"])
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("it starts; build it with cargo build");
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { _process: process, folder, http }
    }

    /// Asks until it answers, at most a minute.
    async fn get(&self, path: &str) -> Value {
        self.get_when(path, |_| true).await
    }

    /// Asks until it gives such an answer, at most a minute.
    async fn get_when(&self, path: &str, is_ready: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + Duration::from_mins(1);
        loop {
            if let Some(url) = self.url(path)
                && let Ok(answer) = self.http.get(url).send().await
                && answer.status().is_success()
            {
                let answer = answer.json().await.unwrap();
                if is_ready(&answer) {
                    return answer;
                }
            }
            assert!(Instant::now() < deadline, "{path} is not answered");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    fn url(&self, path: &str) -> Option<String> {
        let urls = std::fs::read(self.folder.path().join("data/urls.json")).ok()?;
        let urls: Value = serde_json::from_slice(&urls).ok()?;
        Some(format!("{}{path}", urls["http"].as_str()?))
    }

    async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        let answer = self.http.post(self.url(path).unwrap()).json(&body).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }
}

#[tokio::test]
async fn an_extension_of_somebody_else_has_kinds_a_route_a_setting_and_a_limit() {
    let postcards = Postcards::start().await;
    // The worker declares them one after the other, while the server answers.
    let kinds = postcards.get_when("/api/v1/kinds", |kinds| kinds["items"][1].is_object()).await;
    let names: Vec<_> = kinds["items"].as_array().unwrap().iter().map(|kind| kind["name"].clone()).collect();
    assert_eq!(names, ["postcards.deliver", "postcards.write"]);
    assert_eq!(kinds["items"][0]["max_attempts"], 2, "{kinds}");
    let limit = postcards.get("/api/v1/limits/postcards.address").await;
    assert_eq!(limit["max_running"], 1, "{limit}");
    let description = postcards.get("/api/v1/openapi.json").await;
    assert_eq!(description["paths"]["/postcards"]["post"]["security"], json!([{ "api_key": ["enqueue"] }]));

    let (status, sent) = postcards.post("/postcards", json!({ "to": "Ann", "text": "Sunny." })).await;
    assert_eq!((status, &sent["signature"]), (200, &json!("Yours")));
    let written =
        postcards.get(&format!("/api/v1/jobs/{}/result?wait=30s", sent["job"].as_str().unwrap())).await;
    assert_eq!(written["result"], json!({ "to": "Ann", "text": "Sunny.\nYours" }), "{written}");
    let (status, problem) = postcards.post("/postcards", json!({ "to": "Ann" })).await;
    assert_eq!(status, 422, "{problem}");
    let deliver = json!({ "kind": "postcards.deliver", "args": { "to": "Ann", "text": "Sunny." } });
    let (status, job) = postcards.post("/api/v1/jobs", deliver).await;
    assert_eq!(status, 202, "{job}");
    let done = postcards.get(&format!("/api/v1/jobs/{}/result?wait=30s", job["id"].as_str().unwrap())).await;
    assert_eq!(done["result"], "delivered to Ann");
}
