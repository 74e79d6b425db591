//! Files of jobs from remote workers and commands: stored as they arrive, fenced by the lease, and gone with
//! their job. What is refused, lost or broken off leaves nothing in the storage.

use std::fs;
use std::time::Duration;

use reqwest::Method;
use reqwest::header::HeaderValue;
use serde_json::{Value, json};
use tempfile::TempDir;
use tidemill::KindSettings;
use tidemill::api::server::settings::ApiSettings;
use tidemill::kinds::command::CommandSpec;
use tidemill::vault::Keyring;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use super::storage::files;
use super::{api, api_of, blob_store, with};
use crate::api::server::{Answer, Server, start, text, until};
use crate::support::{Db, Mill};

/// More than one part of a stored file.
pub(super) const LARGE: usize = 11 * 1024 * 1024;

pub(super) fn path(job: &Value, name: &str) -> String {
    format!("/api/v1/worker/jobs/{}/artifacts/{name}?lease_id={}", text(&job["id"]), text(&job["lease_id"]))
}

async fn keep(server: &Server, path: &str, content_type: &str, content: impl Into<Vec<u8>>) -> Answer {
    let request = server.request(Method::PUT, path).header("Content-Type", content_type);
    server.send(request.body(content.into())).await
}

pub(super) async fn claimed(server: &Server) -> Value {
    server.enqueue(json!({"kind": "k"})).await;
    server.claim("w", "k", 1).await.remove(0)
}

async fn steal(db: &Db) {
    db.execute("update jobs_live set lease_id = gen_random_uuid()").await;
}

/// Sends the head of a request, whose body the server has to ask for.
async fn head(server: &Server, path: &str, bytes: usize) -> TcpStream {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let head = format!(
        "PUT {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {bytes}\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream
}

/// Begins a request and waits until the server asks for its body.
pub(super) async fn begin(server: &Server, path: &str, bytes: usize) -> TcpStream {
    let mut stream = head(server, path, bytes).await;
    let mut answer = [0; 25];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream
}

#[tokio::test]
async fn a_remote_worker_keeps_files_that_go_with_their_job() {
    let (db, folder) = (Db::new().await, tempfile::tempdir().unwrap());
    let store = with(&db, Keyring::default(), Some(blob_store(&folder)));
    let (server, _guard) = api(&store).await;
    let job = claimed(&server).await;
    let kept = keep(&server, &path(&job, "a.txt"), "text/plain", "first").await.expect(200);
    let href = format!("/api/v1/jobs/{}/artifacts/a.txt", text(&job["id"]));
    assert_eq!(kept, json!({"href": href, "content_type": "text/plain", "bytes": 5}));
    assert_eq!(server.get(&href).await.expect(200), "first");

    keep(&server, &path(&job, "a.txt"), "image/png", "second").await.expect(200);
    let again = server.get(&href).await;
    assert_eq!(again.headers["content-type"], HeaderValue::from_static("image/png"));
    assert_eq!((again.body, files(&folder)), (json!("second"), 1), "it is replaced");

    let large = "tide".repeat(LARGE / 4);
    keep(&server, &path(&job, "large.bin"), "application/x-tide", large.clone()).await.expect(200);
    server.word(&job, "complete", json!({"result": 1})).await.expect(200);
    let listed = server.get(&format!("/api/v1/jobs/{}/artifacts", text(&job["id"]))).await.expect(200);
    let listed = listed["items"].as_array().unwrap();
    let of = |at: usize| (text(&listed[at]["name"]), text(&listed[at]["content_type"]), &listed[at]["bytes"]);
    assert_eq!(of(0), ("a.txt", "image/png", &json!(6)));
    assert_eq!(of(1), ("large.bin", "application/x-tide", &json!(LARGE)));
    let href = href.replace("a.txt", "large.bin");
    assert!(text(&server.get(&href).await.expect(200)) == large, "all parts, in order");

    let path = format!("/api/v1/jobs/{}", text(&job["id"]));
    server.send(server.request(Method::DELETE, &path)).await;
    db.execute("update artifacts set checked_at = now() - interval '2 hours'").await;
    assert_eq!((store.clear_artifacts(100).await.unwrap(), files(&folder)), (2, 0));
}

#[tokio::test]
async fn a_kept_file_is_shown_as_its_type_allows() {
    let (db, folder) = (Db::new().await, tempfile::tempdir().unwrap());
    let store = with(&db, Keyring::default(), Some(blob_store(&folder)));
    let (server, _guard) = api(&store).await;
    let job = claimed(&server).await;
    for (name, content_type, shown, is_inline) in [
        ("a", "text/plain; charset=utf-8", "text/plain; charset=utf-8", true),
        ("b", "Image/PNG; v=1", "image/png", true),
        ("c", "text/html", "application/octet-stream", false),
        ("d", "application/pdf", "application/octet-stream", false),
    ] {
        keep(&server, &path(&job, name), content_type, "<script>").await.expect(200);
        let read = server.get(&format!("/api/v1/jobs/{}/artifacts/{name}", text(&job["id"]))).await;
        assert_eq!(read.headers["content-type"], HeaderValue::from_static(shown));
        assert_eq!(read.headers["content-disposition"] == "inline", is_inline, "{content_type}");
        assert_eq!(
            (&read.headers["content-length"], &read.body),
            (&HeaderValue::from(8), &json!("<script>"))
        );
    }
    let secret = r#"{"password": "hush", "n": 1}"#;
    for content_type in ["application/json", "Application/JSON; charset=utf-8"] {
        keep(&server, &path(&job, "e.json"), content_type, secret).await.expect(200);
        let href = format!("/api/v1/jobs/{}/artifacts/e.json", text(&job["id"]));
        assert_eq!(server.get(&href).await.expect(200), json!({"password": "[redacted]", "n": 1}));
    }
}

#[tokio::test]
async fn a_lost_lease_stores_nothing() {
    let (db, folder) = (Db::new().await, tempfile::tempdir().unwrap());
    let store = with(&db, Keyring::default(), Some(blob_store(&folder)));
    let (server, _guard) = api(&store).await;
    let job = claimed(&server).await;
    for bytes in [100, LARGE] {
        let mut stream = begin(&server, &path(&job, "late.bin"), bytes).await;
        steal(&db).await;
        stream.write_all(&vec![7; bytes]).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 409") && answer.contains("lease-lost"), "{answer}");
        until("the end of its parts", || async { files(&folder) == 0 }).await;
        db.execute(&format!("update jobs_live set lease_id = '{}'", text(&job["lease_id"]))).await;
    }
    steal(&db).await;
    let lost = keep(&server, &path(&job, "a.txt"), "text/plain", "x").await.problem(409, "lease-lost");
    assert_eq!(lost["field"], "lease_id");
    let mut answer = String::new();
    head(&server, &path(&job, "a.txt"), LARGE).await.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 409"), "its body is not even asked for: {answer}");
    assert_eq!((files(&folder), db.count("artifacts").await), (0, 0));
}

#[tokio::test]
async fn a_file_that_breaks_off_leaves_nothing() {
    let (db, folder) = (Db::new().await, tempfile::tempdir().unwrap());
    let store = with(&db, Keyring::default(), Some(blob_store(&folder)));
    let (server, _guard) = api(&store).await;
    let job = claimed(&server).await;
    keep(&server, &path(&job, "a.bin"), "text/plain", "whole").await.expect(200);
    let mut stream = begin(&server, &path(&job, "a.bin"), LARGE).await;
    stream.write_all(&vec![7; LARGE / 2 + 1024]).await.unwrap();
    until("the first part of it", || async { files(&folder) == 2 }).await;
    drop(stream);
    until("the end of its parts", || async { files(&folder) == 1 }).await;
    let href = format!("/api/v1/jobs/{}/artifacts/a.bin", text(&job["id"]));
    assert_eq!(server.get(&href).await.expect(200), "whole", "the earlier file stays");
}

#[tokio::test]
async fn what_is_no_file_is_refused_with_a_remedy() {
    let (db, folder) = (Db::new().await, tempfile::tempdir().unwrap());
    let storage = blob_store(&folder).with_max_file_bytes(10);
    let store = with(&db, Keyring::default(), Some(storage));
    let (server, _guard) = api(&store).await;
    let job = claimed(&server).await;
    keep(&server, &path(&job, "most"), "text/plain", "0123456789").await.expect(200);
    let large =
        keep(&server, &path(&job, "more"), "text/plain", "0123456789x").await.problem(413, "too-large");
    assert_eq!(large["limit_bytes"], 10);
    assert!(text(&large["remedy"]).contains("storage.max_file_bytes"), "{large}");

    // Without a length only its bytes show it.
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let target = path(&job, "more");
    let head = format!(
        "PUT {target} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(format!("{head}b\r\n0123456789x\r\n0\r\n\r\n").as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 413") && answer.contains("storage.max_file_bytes"), "{answer}");

    for name in ["args.json", "result.json", ".hidden", "a%2Fb", "..%2Fa", "%C3%A4"] {
        let refused =
            keep(&server, &path(&job, name), "text/plain", "x").await.problem(422, "invalid-request");
        assert!(text(&refused["detail"]).contains("cannot be called"), "{refused}");
    }
    keep(&server, &path(&job, "a"), "nonsense", "x").await.problem(422, "invalid-request");
    let zipped = server.request(Method::PUT, &path(&job, "a")).header("Content-Encoding", "gzip").body("x");
    server.send(zipped).await.problem(415, "unsupported-media-type");
    let unleased = format!("/api/v1/worker/jobs/{}/artifacts/a", text(&job["id"]));
    keep(&server, &unleased, "text/plain", "x").await.problem(422, "invalid-request");
    assert_eq!((files(&folder), db.count("artifacts").await), (1, 1), "only the one that fits");

    let bare = with(&db, Keyring::default(), None);
    let (server, _guard) = api(&bare).await;
    let none = keep(&server, &path(&job, "a"), "text/plain", "x").await.problem(409, "no-storage");
    assert!(text(&none["remedy"]).contains("storage.url"), "{none}");
}

#[tokio::test]
async fn a_long_upload_is_no_long_request() {
    let (db, folder) = (Db::new().await, tempfile::tempdir().unwrap());
    let store = with(&db, Keyring::default(), Some(blob_store(&folder)));
    let (server, _guard) = api(&store).await;
    let job = claimed(&server).await;
    let settings = ApiSettings { request_timeout: Duration::from_millis(100), ..ApiSettings::default() };
    let shutdown = CancellationToken::new();
    let hurried = start(store.clone(), settings, Vec::new(), shutdown.clone()).await;
    let mut upload = begin(&hurried, &path(&job, "a"), 4).await;
    // Another request that waits for its body begins later, and is given up.
    let mut other = TcpStream::connect(hurried.address).await.unwrap();
    let head = "POST /api/v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9\r\nConnection: close\r\n\r\n";
    other.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    other.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 504"), "{answer}");
    upload.write_all(b"late").await.unwrap();
    let mut answer = String::new();
    upload.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    shutdown.cancel();
}

/// Runs a command in a folder of its own and answers the job, and what its log has from descriptor 3.
async fn command(server: &Server, store: &tidemill::Store, work: &TempDir, script: &str) -> (Value, String) {
    let spec =
        CommandSpec { working_dir: Some(work.path().to_owned()), ..CommandSpec::new(["sh", "-c", script]) };
    let mut settings = KindSettings::default();
    settings.backoff.first = Duration::from_millis(20);
    let mill = Mill::builder(store).kind("report", settings, spec).start();
    let made = server.enqueue(json!({"kind": "report"})).await;
    let done = server.get(&format!("/api/v1/jobs/{}/result?wait=20s", text(&made["id"]))).await.expect(200);
    mill.stop().await;
    let events = server.get(&format!("/api/v1/jobs/{}/events", text(&made["id"]))).await.expect(200);
    let lines = events["items"].as_array().unwrap().iter().filter(|event| event["stream"] == "fd3");
    let lines: Vec<_> = lines.map(|event| text(&event["line"])).collect();
    (done["job"].clone(), lines.join("\n"))
}

#[tokio::test]
async fn a_command_keeps_the_files_that_it_names() {
    let (db, folder, work) = (Db::new().await, tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = with(&db, Keyring::default(), Some(blob_store(&folder).with_max_file_bytes(LARGE as u64)));
    let (server, _guard) = api(&store).await;
    fs::write(work.path().join("large"), vec![b'x'; LARGE]).unwrap();
    fs::write(work.path().join("larger"), vec![b'x'; LARGE + 1]).unwrap();
    let script = r#"
        mkdir out && printf hello > out/report.txt
        echo '{"keep":{"path":"out/report.txt"}}' >&3
        echo '{"keep":{"path":"large","name":"all.bin","content_type":"application/x-tide"}}' >&3
        echo '{"keep":{"path":"larger"}}' >&3
        echo '{"keep":{"path":"../large"}}' >&3
        echo '{"keep":{"path":"none"}}' >&3
        echo '{"result":1}' >&3"#;
    let (job, said) = command(&server, &store, &work, script).await;
    assert_eq!((text(&job["state"]), &job["attempt"]), ("completed", &json!(1)), "{job}");
    let path = format!("/api/v1/jobs/{}/artifacts", text(&job["id"]));
    let listed = server.get(&path).await.expect(200);
    let of = |at: usize| {
        let item = &listed["items"][at];
        (text(&item["name"]), text(&item["content_type"]), &item["bytes"])
    };
    assert_eq!(of(0), ("report.txt", "text/plain", &json!(5)));
    assert_eq!(of(1), ("all.bin", "application/x-tide", &json!(LARGE)));
    assert_eq!(listed["items"].as_array().unwrap().len(), 2);
    assert_eq!(server.get(&format!("{path}/report.txt")).await.expect(200), "hello");
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines.len(), 3, "{said}");
    for (line, why) in lines.iter().zip(["storage.max_file_bytes", "leads out of", "there is no file"]) {
        assert!(line.starts_with("file not kept: ") && line.contains(why), "{line}");
    }
}

#[tokio::test]
async fn a_storage_that_fails_fails_the_attempt_and_not_the_job() {
    let (db, folder, work) = (Db::new().await, tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = with(&db, Keyring::default(), Some(blob_store(&folder)));
    let (server, _guard) = api(&store).await;
    // The first attempt breaks the storage, and the second mends it.
    let at = folder.path().display();
    let script = format!(
        r#"printf x > a; if [ -e tried ]; then rm {at}; mkdir {at}; else touch tried; rmdir {at}; touch {at}; fi
        echo '{{"keep":{{"path":"a"}}}}' >&3; echo '{{"result":1}}' >&3"#
    );
    let (job, said) = command(&server, &store, &work, &script).await;
    assert_eq!((text(&job["state"]), &job["attempt"]), ("completed", &json!(2)), "{job}\n{said}");
    assert!(said.starts_with("file not kept: ") && said.lines().count() == 1, "{said}");
    let path = format!("/api/v1/jobs/{}/artifacts/a", text(&job["id"]));
    assert_eq!(server.get(&path).await.expect(200), "x");
}

#[tokio::test]
async fn without_storage_a_command_gets_an_error_and_completes() {
    let (db, work) = (Db::new().await, tempfile::tempdir().unwrap());
    let store = with(&db, Keyring::default(), None);
    let (server, _guard) = api(&store).await;
    let script = r#"printf x > a; echo '{"keep":{"path":"a"}}' >&3; echo '{"result":1}' >&3"#;
    let (job, said) = command(&server, &store, &work, script).await;
    assert_eq!((text(&job["state"]), &job["attempt"]), ("completed", &json!(1)), "{job}");
    assert!(said.contains("set storage.url"), "{said}");
}

#[tokio::test]
async fn a_page_of_an_allowed_origin_may_show_a_file() {
    let (db, folder) = (Db::new().await, tempfile::tempdir().unwrap());
    let store = with(&db, Keyring::default(), Some(blob_store(&folder)));
    let open = ApiSettings { cors_origins: vec!["https://app.test".into()], ..ApiSettings::default() };
    for (settings, expected) in [(ApiSettings::default(), "same-origin"), (open, "cross-origin")] {
        let (server, _guard) = api_of(&store, settings).await;
        let job = claimed(&server).await;
        keep(&server, &path(&job, "a"), "image/png", "x").await.expect(200);
        let policy = "cross-origin-resource-policy";
        let file = server.get(&format!("/api/v1/jobs/{}/artifacts/a", text(&job["id"]))).await;
        assert_eq!(file.headers[policy], expected);
        assert_eq!(
            server.get(&format!("/api/v1/jobs/{}", text(&job["id"]))).await.headers[policy],
            "same-origin"
        );
    }
}
