//! A small server with prepared answers, and the binary as a process that asks it.

use std::collections::VecDeque;
use std::process::Output;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::process::Command;

/// One request as the server saw it.
#[derive(Clone)]
pub(crate) struct Seen {
    pub(crate) method: Method,
    /// With its query, escaped as it came.
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

/// A server that gives prepared answers in order, and remembers what it was asked.
#[derive(Clone, Default)]
pub(crate) struct Stub {
    pub(crate) answers: Arc<Mutex<VecDeque<Response>>>,
    pub(crate) seen: Arc<Mutex<Vec<Seen>>>,
}

impl Stub {
    /// Starts it; answers its URL.
    pub(crate) async fn start(answers: impl IntoIterator<Item = Response>) -> (Self, String) {
        let stub = Self { answers: Arc::new(Mutex::new(answers.into_iter().collect())), ..Self::default() };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(answer).with_state(stub.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        (stub, url)
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

pub(crate) async fn answer(State(stub): State<Stub>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, 1 << 20).await.unwrap();
    stub.seen.lock().unwrap().push(Seen {
        method: head.method,
        path: head.uri.to_string(),
        headers: head.headers,
        body: serde_json::from_slice(&body).unwrap_or_default(),
    });
    let answer = stub.answers.lock().unwrap().pop_front();
    answer.unwrap_or_else(|| (StatusCode::IM_A_TEAPOT, "asked more often than expected").into_response())
}

/// A JSON answer with exactly this text.
pub(crate) fn exact(status: u16, text: &str) -> Response {
    (StatusCode::from_u16(status).unwrap(), text.to_owned()).into_response()
}

pub(crate) fn problem(status: u16) -> Response {
    let body = json!({"type": "about:blank", "title": "A title", "status": status, "detail": "A detail.", "remedy": "A remedy."});
    exact(status, &body.to_string())
}

/// An event stream of these pieces; one that is `cut` ends in an error instead of an end.
pub(crate) fn frames(pieces: &[String], cut: bool) -> Response {
    let pieces = pieces.concat();
    let body = async_stream::stream! {
        yield Ok(pieces);
        // What was written goes out while the body is not ready.
        tokio::task::yield_now().await;
        if cut {
            yield Err(std::io::Error::other("cut"));
        }
    };
    ([("content-type", "text/event-stream")], Body::from_stream(body)).into_response()
}

pub(crate) fn frame(event: &str, id: u64, data: &Value) -> String {
    format!("event: {event}\nid: {id}\ndata: {data}\n\n")
}

pub(crate) fn log(seq: u64) -> String {
    frame(
        "log",
        seq,
        &json!({"job_id": "j", "seq": seq, "attempt": 1, "stream": "stdout", "line": format!("line {seq}")}),
    )
}

pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// Runs the binary in a folder of its own.
pub(crate) async fn run_in(folder: &TempDir, args: &[&str], variables: &[(&str, &str)]) -> Ran {
    let mut command = Command::new(crate::binary::tidemill());
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("TIDEMILL_")) {
        command.env_remove(name);
    }
    command.args(args).envs(variables.iter().copied()).current_dir(folder.path()).kill_on_drop(true);
    let output = tokio::time::timeout(Duration::from_mins(1), command.output());
    let Output { status, stdout, stderr } = output.await.expect("the command ends").unwrap();
    Ran {
        code: status.code().expect("it ends by itself"),
        out: String::from_utf8(stdout).unwrap(),
        err: String::from_utf8(stderr).unwrap(),
    }
}

pub(crate) async fn run(url: &str, args: &[&str]) -> Ran {
    run_in(&TempDir::new().unwrap(), args, &[("TIDEMILL_URL", url)]).await
}
