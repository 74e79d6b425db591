//! A server of the protocol of chat completions whose model says what a test wrote down.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Json;
use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde_json::{Value, json};

/// How long a busy server asks for.
pub(crate) const BUSY: Duration = Duration::from_secs(2);

/// What the model sees when it is asked.
#[derive(Debug, Clone)]
pub(crate) struct Turn {
    /// From 1: how many calls it made before, and one.
    pub(crate) number: usize,
    /// What is to be done.
    pub(crate) task: String,
    /// The page as it was described last.
    pub(crate) page: String,
}

impl Turn {
    /// The number of the element that is described so.
    #[track_caller]
    pub(crate) fn element(&self, described: &str) -> u64 {
        let found = self.page.lines().find_map(|line| {
            let (number, words) = line.strip_prefix('[')?.split_once("] ")?;
            words.starts_with(described).then(|| number.parse().ok())?
        });
        found.unwrap_or_else(|| panic!("no {described} on:\n{}", self.page))
    }
}

/// A call of a tool.
pub(crate) type Call = (&'static str, Value);

/// The server.
#[derive(Clone)]
pub(crate) struct Model {
    address: SocketAddr,
    /// The bodies of all questions.
    asked: Arc<Mutex<Vec<Value>>>,
    /// Whether it will not answer the next question.
    busy: Arc<AtomicBool>,
    /// Whether it answers nothing but an error that shows how it was asked.
    broken: Arc<AtomicBool>,
}

impl Model {
    /// Serves a script.
    pub(crate) async fn start(script: impl Fn(Turn) -> Call + Send + Sync + 'static) -> Self {
        Self::start_async(move |turn| std::future::ready(script(turn))).await
    }

    /// Serves a script that may take its time.
    pub(crate) async fn start_async<F>(script: impl Fn(Turn) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Call> + Send + 'static,
    {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&asked);
        let busy = Arc::new(AtomicBool::new(false));
        let broken = Arc::new(AtomicBool::new(false));
        let (is_busy, is_broken) = (Arc::clone(&busy), Arc::clone(&broken));
        let script = Arc::new(script);
        let answer = move |headers: HeaderMap, Json(question): Json<Value>| {
            let (seen, script) = (Arc::clone(&seen), Arc::clone(&script));
            let is_busy = is_busy.swap(false, Ordering::SeqCst);
            let is_broken = is_broken.load(Ordering::SeqCst);
            async move {
                match (is_busy, is_broken) {
                    (true, _) => refuse(),
                    (_, true) => {
                        (StatusCode::BAD_GATEWAY, format!("<p>bad gateway {headers:?}")).into_response()
                    }
                    _ => answer(&headers, question, &seen, &*script).await,
                }
            }
        };
        let app = Router::new().route("/v1/chat/completions", post(answer));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { address, asked, busy, broken }
    }

    pub(crate) fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// Refuses the next question: too many, ask again in [`BUSY`].
    pub(crate) fn be_busy(&self) {
        self.busy.store(true, Ordering::SeqCst);
    }

    /// Answers each question with an error that shows how it was asked, as the error pages of proxies do.
    pub(crate) fn be_broken(&self) {
        self.broken.store(true, Ordering::SeqCst);
    }

    pub(crate) fn authority(&self) -> String {
        self.address.to_string()
    }

    /// All that it was asked, and answered.
    pub(crate) fn asked(&self) -> Vec<Value> {
        self.asked.lock().unwrap().clone()
    }
}

fn refuse() -> Response {
    let error = json!({"error": {"message": "Rate limit reached", "type": "requests", "param": null, "code": "rate_limit_exceeded"}});
    let after = [("retry-after", BUSY.as_secs().to_string())];
    (StatusCode::TOO_MANY_REQUESTS, after, Json(error)).into_response()
}

async fn answer<F: Future<Output = Call>>(
    headers: &HeaderMap,
    question: Value,
    seen: &Mutex<Vec<Value>>,
    script: &impl Fn(Turn) -> F,
) -> Response {
    if headers.get("authorization").is_none_or(|key| key != "Bearer key-of-the-model") {
        let key =
            headers.get("authorization").map(|key| String::from_utf8_lossy(key.as_bytes()).into_owned());
        let message = format!("Incorrect API key provided: {key:?}");
        let error = json!({"error": {"message": message, "type": "invalid_request_error", "param": null, "code": "invalid_api_key"}});
        return (StatusCode::UNAUTHORIZED, Json(error)).into_response();
    }
    let messages = question["messages"].as_array().unwrap().clone();
    seen.lock().unwrap().push(question);
    let number = 1 + messages.iter().filter(|message| message["role"] == "tool").count();
    let page = messages.last().unwrap()["content"].as_str().unwrap().to_owned();
    let task = messages[1]["content"].as_str().unwrap().replace("The task: ", "");
    let (tool, arguments) = script(Turn { number, task, page }).await;
    let call = json!({"id": "x", "type": "function", "function": {"name": tool, "arguments": arguments.to_string()}});
    Json(json!({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "scripted",
        "choices": [{"index": 0, "finish_reason": "tool_calls", "message": {"role": "assistant", "content": format!("I use {tool}."), "tool_calls": [call]}}],
        "usage": {"prompt_tokens": 90, "completion_tokens": 10, "total_tokens": 100},
    }))
    .into_response()
}
