//! Every example of docs/protocol.md, against a real server: the lines of a command, the call of a URL, and each request of a
//! remote worker with its answer. The model of `tidemill conformance` is held against the same server.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, Method};
use axum::routing::post;
use serde_json::{Value, json};

use crate::checkout::Checkout;
use crate::document::{Block, blocks, read, section};

const SOON: Duration = Duration::from_secs(30);
const ANY: &str = "…";
/// Writes what a job has in its args to file descriptor 3.
const SAYS: &str = "\n[kinds.says]\ncommand = [\"sh\", \"-c\", \"jq -c .line >&3\"]\n";

struct Api {
    http: reqwest::Client,
    url: String,
}

impl Api {
    fn of(checkout: &Checkout) -> Self {
        // It fails if there is one already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { http, url: format!("http://{}/api/v1", checkout.address()) }
    }

    async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> (u16, Value) {
        let request = self.http.request(method, format!("{}{path}", self.url));
        let request = body.into_iter().fold(request, reqwest::RequestBuilder::json);
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap())
    }

    async fn get(&self, path: &str) -> Value {
        self.send(Method::GET, path, None).await.1
    }

    async fn enqueue(&self, kind: &str, args: &Value) -> String {
        let (status, job) =
            self.send(Method::POST, "/jobs", Some(&json!({"kind": kind, "args": args}))).await;
        assert!(status == 201 || status == 202, "{job}");
        job["id"].as_str().unwrap().to_owned()
    }

    /// The job once its first attempt is over, and its events.
    async fn after_an_attempt(&self, id: &str) -> (Value, Vec<Value>) {
        let deadline = Instant::now() + SOON;
        loop {
            let job = self.get(&format!("/jobs/{id}")).await;
            let is_over = job["started_at"].is_string() && job["state"] != "running";
            let events = self.get(&format!("/jobs/{id}/events")).await["items"].as_array().unwrap().clone();
            if is_over {
                return (job, events);
            }
            assert!(Instant::now() < deadline, "{job} has {events:?}");
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    }
}

fn block(text: &str, language: &str) -> Block {
    let found = blocks(text).into_iter().find(|block| block.language == language);
    found.unwrap_or_else(|| panic!("no block of {language}"))
}

/// The lines of all blocks of `jsonl`.
fn lines(text: &str) -> Vec<Value> {
    let blocks = blocks(text).into_iter().filter(|block| block.language == "jsonl");
    let lines = blocks.flat_map(|block| block.text.lines().map(str::to_owned).collect::<Vec<_>>());
    lines.map(|line| serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line}: {error}"))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_example_of_the_protocol_is_what_a_server_does() {
    let page = read("docs/protocol.md");
    let (commands, urls) = (section(&page, "## Commands"), section(&page, "## URLs"));
    let folder = tempfile::tempdir().unwrap();
    let calls: Calls = Arc::default();
    let stream = block(urls, "jsonl").text;
    let thumbnail = serve(Arc::clone(&calls), stream).await;
    let url_kind = block(urls, "toml").text.replace("https://pictures.example.org/thumbnail", &thumbnail);
    let config = block(commands, "toml").text + SAYS + "\n" + &url_kind + "allow_private = true\n";
    fs::write(folder.path().join("protocol.toml"), config).unwrap();
    fs::write(folder.path().join("resize.sh"), block(commands, "sh").text).unwrap();
    let path = folder.path().join("protocol.toml");
    let mut checkout = Checkout::start(&["--config", path.to_str().unwrap()]);
    let api = Api::of(&checkout);

    let id = api.enqueue("resize", &json!({"width": 300})).await;
    let (job, events) = api.after_an_attempt(&id).await;
    let result: Value = serde_json::from_str(&block(commands, "json").text).unwrap();
    assert_eq!((&job["state"], &job["result"]), (&json!("completed"), &result), "{events:?}");
    a_command_is_tried(section(commands, "### Test a command"), folder.path());
    let all = lines(commands);
    assert!(all.len() >= 11, "{all:?}");
    for line in &all {
        a_line_is_obeyed(&api, line).await;
    }
    let id = api.enqueue("thumbnail", &json!({"width": 300})).await;
    let (job, _) = api.after_an_attempt(&id).await;
    assert_eq!((&job["state"], &job["result"]["url"]), (&json!("completed"), &json!("/300.png")));
    a_call_is_as_shown(urls, &calls.lock().unwrap()[0], folder.path());
    remote_workers(&api, section(&page, "## Remote workers")).await;
    the_model_is_like_the_server(&api).await;
    assert!(checkout.end().success());
}

/// The line of the page, in the folder of its script.
fn a_command_is_tried(text: &str, folder: &Path) {
    let line = block(text, "sh").text.replacen("tidemill", crate::binary::tidemill().to_str().unwrap(), 1);
    let output = crate::checkout::command("sh", folder).args(["-c", &line]).output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    let is_printed = printed.contains(r#"the attempt: completed with {"attempt":1,"width":300}"#)
        && printed.contains("ok       lines");
    assert!(output.status.success() && is_printed, "{line}: {output:?}");
}

async fn a_line_is_obeyed(api: &Api, line: &Value) {
    let (word, said) = line.as_object().unwrap().iter().next().unwrap();
    let id = api.enqueue("says", &json!({ "line": line })).await;
    let (job, events) = api.after_an_attempt(&id).await;
    let event = |kind: &str| {
        let found = events.iter().find(|event| event["type"] == kind);
        found.unwrap_or_else(|| panic!("{line}: no {kind} in {events:?} of {job}")).clone()
    };
    let steps = api.get(&format!("/jobs/{id}/steps")).await;
    match word.as_str() {
        "progress" => {
            let progress = event("progress");
            for field in ["percent", "step", "data"] {
                assert!(is_like(&said[field], &progress[field]), "{line}: {progress}");
            }
        }
        "log" => assert_eq!(event("log")["line"], *said),
        "event" => assert_eq!(event(said["type"].as_str().unwrap())["bytes"], said["data"]["bytes"]),
        "extend" => assert_eq!(event("extended")["by_seconds"], 600.0),
        "step" | "cursor" => {
            let stored = &steps["items"][0];
            assert_eq!((&stored["name"], &stored["output"]), (&said["name"], &said["output"]));
        }
        "result" => assert_eq!(job["result"], *said),
        "error" => {
            let is_final = said["permanent"] == true;
            assert_eq!(job["state"], if is_final { "failed" } else { "available" }, "{line}: {job}");
            assert_eq!(job["error"]["message"], said["message"], "{line}: {job}");
        }
        "snooze" => assert!(job["state"] == "available" && event("snoozed").is_object()),
        "wait" => assert_eq!(job["state"], "waiting"),
        other => panic!("no test knows {other}"),
    }
    let not_understood = |event: &Value| event["stream"] == "fd3";
    assert!(!events.iter().any(not_understood), "{line}: {events:?}");
}

type Calls = Arc<Mutex<Vec<(HeaderMap, Bytes)>>>;

/// A URL that answers every call with these lines.
async fn serve(calls: Calls, stream: String) -> String {
    let answer = async move |headers: HeaderMap, body: Bytes| {
        calls.lock().unwrap().push((headers, body));
        ([("content-type", "application/x-ndjson")], stream)
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new().route("/thumbnail", post(answer));
    tokio::spawn(axum::serve(listener, router).into_future());
    format!("http://{address}/thumbnail")
}

/// The headers and the body are those of the page, and its Python takes the signature.
fn a_call_is_as_shown(urls: &str, (headers, body): &(HeaderMap, Bytes), folder: &Path) {
    let shown = block(urls, "http").text;
    let (head, shown_body) = shown.split_once("\n\n").unwrap();
    for line in head.lines().skip(1) {
        let (name, value) = line.split_once(": ").unwrap();
        let came = headers[name].to_str().unwrap();
        if name == "content-type" {
            assert_eq!(came, value);
        }
    }
    let (shown, came): (Value, Value) =
        (serde_json::from_str(shown_body).unwrap(), serde_json::from_slice(body).unwrap());
    assert!(is_like(&shown, &came), "{came}");
    let headers: Value = headers
        .iter()
        .map(|(name, value)| (name.to_string(), json!(value.to_str().unwrap())))
        .collect::<serde_json::Map<_, _>>()
        .into();
    let secret =
        block(urls, "toml").text.lines().find_map(|line| line.strip_prefix("secret = ").map(str::to_owned));
    let check = format!(
        "{}\nimport json, sys\nheaders = json.load(sys.stdin)\nbody = open('body', 'rb').read()\n\
         assert is_genuine({secret}, headers, body) and not is_genuine({secret}, headers, body + b' ')\n",
        block(urls, "python").text,
        secret = secret.unwrap(),
    );
    fs::write(folder.join("body"), body).unwrap();
    fs::write(folder.join("headers"), headers.to_string()).unwrap();
    let stdin = fs::File::open(folder.join("headers")).unwrap();
    let python =
        Command::new("python3").args(["-c", &check]).current_dir(folder).stdin(stdin).output().unwrap();
    assert!(python.status.success(), "{}", String::from_utf8_lossy(&python.stderr));
}

/// Whether a value is what the page shows: `…` is any text, and a key `…` stands for further ones.
fn is_like(shown: &Value, came: &Value) -> bool {
    match (shown, came) {
        (Value::Object(shown), Value::Object(came)) => {
            let names = |all: &serde_json::Map<String, Value>| -> BTreeSet<String> {
                all.keys().filter(|name| *name != ANY).cloned().collect()
            };
            (shown.contains_key(ANY) || names(shown) == names(came))
                && names(shown)
                    .iter()
                    .all(|name| came.get(name).is_some_and(|came| is_like(&shown[name], came)))
        }
        (Value::Array(shown), Value::Array(came)) => {
            shown.len() == came.len() && shown.iter().zip(came).all(|(shown, came)| is_like(shown, came))
        }
        (Value::String(shown), Value::String(came)) if shown.contains(ANY) => {
            came.starts_with(shown.split(ANY).next().unwrap_or_default()) || shown.starts_with("019b")
        }
        (Value::Number(shown), Value::Number(came)) => shown.as_f64() == came.as_f64(),
        _ => shown == came,
    }
}

/// Sends every request of the page as it stands, about a job that is claimed for it.
async fn remote_workers(api: &Api, text: &str) {
    let examples: Vec<Block> = blocks(text).into_iter().filter(|block| block.language == "http").collect();
    assert!(examples.len() >= 14, "{examples:#?}");
    let mut verbs = BTreeSet::new();
    let mut claimed: Option<(String, String)> = None;
    for example in &examples {
        let (request, answer) = example.text.split_once("\n\n").expect("a request and its answer");
        let (line, body) = request.split_once('\n').unwrap_or((request, ""));
        let (method, path) = line.split_once(' ').unwrap();
        verbs.insert(path.rsplit('/').next().unwrap().to_owned());
        if path == "/worker/claim" {
            api.enqueue("caption", &json!({"picture": 7})).await;
        } else if claimed.is_none() {
            api.enqueue("caption", &json!({"picture": 7})).await;
            let body = json!({"worker": "captions-1", "kinds": ["caption"], "wait_seconds": 20});
            let (_, answer) = api.send(Method::POST, "/worker/claim", Some(&body)).await;
            claimed = lease_of(&answer);
        }
        let (job, lease) = claimed.clone().unwrap_or_default();
        let put_in = |text: &str| text.replace("JOB", &job).replace("LEASE", &lease);
        let body = (!body.is_empty()).then(|| serde_json::from_str(&put_in(body)).unwrap());
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let (status, came) = api.send(method, &put_in(path), body.as_ref()).await;
        if path == "/worker/claim" {
            claimed = lease_of(&came);
        }
        let (job, lease) = claimed.clone().unwrap();
        let put_in = |text: &str| text.replace("JOB", &job).replace("LEASE", &lease);
        let (shown_status, shown) = answer.split_once('\n').unwrap();
        let shown: Value = serde_json::from_str(&put_in(shown)).unwrap();
        assert_eq!(status.to_string(), shown_status, "{request}\n{came}");
        assert!(is_like(&shown, &came), "{request}\nshown: {shown}\ncame:  {came}");
        let ends = ["/complete", "/fail", "/snooze", "/wait", "/settle"];
        if ends.iter().any(|end| path.ends_with(end)) {
            // What is tried again at once must not be claimed in its stead.
            api.send(Method::POST, &format!("/jobs/{job}/cancel"), None).await;
            claimed = None;
        }
    }
    let known: Value = serde_json::from_str(&read("conformance/remote-worker-verbs.json")).unwrap();
    for verb in known.as_object().unwrap().keys() {
        assert!(verbs.contains(verb), "the page has no example of {verb}");
    }
}

fn lease_of(answer: &Value) -> Option<(String, String)> {
    let job = &answer["jobs"][0];
    Some((job["id"].as_str()?.to_owned(), job["lease_id"].as_str()?.to_owned()))
}

/// The fields that the model takes, and the job that it hands out, are the server's.
async fn the_model_is_like_the_server(api: &Api) {
    let description = api.get("/openapi.json").await;
    let verbs: Value = serde_json::from_str(&read("conformance/remote-worker-verbs.json")).unwrap();
    for (verb, fields) in verbs.as_object().unwrap() {
        let paths = [format!("/api/v1/worker/{verb}"), format!("/api/v1/worker/jobs/{{id}}/{verb}")];
        let route = paths.iter().find_map(|path| description["paths"].get(path)).expect(verb);
        let mut schema = &route["post"]["requestBody"]["content"]["application/json"]["schema"];
        if let Some(name) = schema["$ref"].as_str() {
            schema = &description["components"]["schemas"][name.rsplit('/').next().unwrap()];
        }
        let names = |all: &Value| -> BTreeSet<String> {
            all.as_array().into_iter().flatten().map(|name| name.as_str().unwrap().to_owned()).collect()
        };
        let needed = names(&fields["needs"]);
        let all: BTreeSet<String> = needed.union(&names(&fields["may"])).cloned().collect();
        let described: BTreeSet<String> =
            schema["properties"].as_object().expect(verb).keys().cloned().collect();
        assert_eq!((&all, &needed), (&described, &names(&schema["required"])), "{verb}");
    }
    api.enqueue("caption", &json!({"picture": 8})).await;
    let body = json!({"worker": "captions-1", "kinds": ["caption"], "wait_seconds": 20});
    let (_, answer) = api.send(Method::POST, "/worker/claim", Some(&body)).await;
    let model: Value = serde_json::from_str(&read("conformance/claimed-job.json")).unwrap();
    let names = |job: &Value| job.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&model), names(&answer["jobs"][0]));
}
