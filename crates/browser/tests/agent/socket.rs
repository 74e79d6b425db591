//! A client of a task's WebSocket, and who may be one.

use std::time::Duration;

use futures_util::StreamExt;
use serde_json::{Value, json};
use tidemill::api::server::auth::api_key::Scope;
use tidemill::vault::Keyring;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::{Stage, task};
use crate::server::{text, until};

/// All frames of a task until the server closes, with the code with which it does.
pub(crate) async fn frames(stage: &Stage, accepted: &Value) -> (Vec<Value>, u16) {
    let url = format!("ws://{}/ws/execution/{}", stage.server.address, text(&accepted["execution_id"]));
    let (mut socket, _) = connect_async(url).await.unwrap();
    let mut frames = Vec::new();
    while let Some(message) = socket.next().await {
        match message.unwrap() {
            Message::Text(text) => frames.push(serde_json::from_str(text.as_str()).unwrap()),
            Message::Close(close) => return (frames, close.map_or(0, |close| close.code.into())),
            _ => {}
        }
    }
    (frames, 0)
}

/// The types of frames in order.
pub(crate) fn types(frames: &[Value]) -> Vec<&str> {
    frames.iter().map(|frame| text(&frame["type"])).collect()
}

/// The status with which a WebSocket is answered.
async fn knock(stage: &Stage, path: &str, headers: &[(&'static str, String)]) -> u16 {
    let mut request = format!("ws://{}{path}", stage.server.address).into_client_request().unwrap();
    for (name, value) in headers {
        request.headers_mut().insert(*name, value.parse().unwrap());
    }
    match connect_async(request).await {
        Ok((_, response)) => response.status().as_u16(),
        Err(Error::Http(response)) => response.status().as_u16(),
        Err(other) => panic!("{other}"),
    }
}

#[tokio::test]
async fn pages_of_strangers_and_callers_without_a_key_stay_outside() {
    let stage = Stage::new(Keyring::default()).await;
    let accepted = stage.execute(task("wait")).await;
    let path = format!("/ws/execution/{}", text(&accepted["execution_id"]));
    let own = format!("http://{}", stage.server.address);
    assert_eq!(knock(&stage, &path, &[]).await, 101);
    assert_eq!(knock(&stage, &path, &[("origin", own)]).await, 101);
    assert_eq!(knock(&stage, &path, &[("origin", "https://app.example.com".into())]).await, 101);
    assert_eq!(knock(&stage, &path, &[("origin", "https://evil.example.com".into())]).await, 403);
    assert_eq!(knock(&stage, "/ws/execution/nobody", &[]).await, 404);
    stage.server.get(&path).await.problem(400, "bad-request");

    let key = stage.server.make_key("page", &[Scope::Enqueue]).await;
    until("the end of openness", || async { stage.server.get("/api/v1/queues").await.status == 401 }).await;
    let offer = |key: &str| ("sec-websocket-protocol", format!("tidemill.v1, {key}"));
    assert_eq!(knock(&stage, &path, &[]).await, 401);
    assert_eq!(knock(&stage, &path, &[offer(key.reveal())]).await, 101);
    let stranger = tidemill::api::server::auth::api_key::ApiKey::generate();
    assert_eq!(knock(&stage, &path, &[offer(stranger.reveal())]).await, 401);
}

#[tokio::test]
async fn a_page_opens_the_socket_with_a_ticket_of_its_token() {
    let stage = Stage::new(Keyring::default()).await;
    let (own, other) = (stage.execute(task("wait")).await, stage.execute(task("wait")).await);
    let key = stage.server.make_key("page", &[Scope::Enqueue]).await;
    until("the end of openness", || async { stage.server.get("/api/v1/queues").await.status == 401 }).await;
    let post = async |path: &str, bearer: &str, body: Value| {
        let request = stage.server.request(reqwest::Method::POST, path).bearer_auth(bearer);
        stage.server.send(request.json(&body)).await.expect(201)
    };
    let body = json!({"scopes": ["read"], "job": own["task_id"]});
    let token = post("/api/v1/tokens", key.reveal(), body).await["token"].clone();
    let path = async |task: &Value| {
        let ticket = post("/api/v1/tokens/ticket", text(&token), json!({})).await["ticket"].clone();
        format!("/ws/execution/{}?ticket={}", text(&task["execution_id"]), text(&ticket))
    };
    let opened = path(&own).await;
    let origin = format!("http://{}", stage.server.address);
    assert_eq!(knock(&stage, &opened, &[("origin", origin)]).await, 101);
    assert_eq!(knock(&stage, &opened, &[]).await, 401, "it was used");
    assert_eq!(knock(&stage, &path(&other).await, &[]).await, 404);
    let evil = ("origin", "https://evil.example.com".to_owned());
    assert_eq!(knock(&stage, &path(&own).await, &[evil]).await, 403);
    let bearer = ("authorization", format!("Bearer {}", text(&token)));
    let path = format!("/ws/execution/{}", text(&own["execution_id"]));
    assert_eq!(knock(&stage, &path, &[bearer]).await, 101);
}

#[tokio::test]
async fn a_task_that_is_cancelled_ends_its_socket_with_an_error() {
    let stage = Stage::new(Keyring::default()).await;
    let accepted = stage.execute(task("wait")).await;
    let path = format!("/api/v1/jobs/{}/cancel", text(&accepted["task_id"]));
    let (seen, _) = tokio::join!(frames(&stage, &accepted), stage.server.act(&path));
    assert_eq!(seen.1, 1000, "{seen:?}");
    assert_eq!(types(&seen.0), ["error"]);
    assert_eq!(seen.0[0]["data"]["state"], json!("cancelled"));
}

#[tokio::test]
async fn a_client_that_says_goodbye_late_loses_nothing() {
    let stage = Stage::new(Keyring::default()).await;
    let accepted = stage.execute(task("wait")).await;
    stage.server.act(&format!("/api/v1/jobs/{}/cancel", text(&accepted["task_id"]))).await;
    // Below the protocol, so that nothing is answered by itself.
    let mut line = TcpStream::connect(stage.server.address.to_string()).await.unwrap();
    let head = format!(
        "GET /ws/execution/{} HTTP/1.1\r\nHost: {}\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        text(&accepted["execution_id"]),
        stage.server.address
    );
    line.write_all(head.as_bytes()).await.unwrap();
    let mut received = Vec::new();
    while !received.ends_with(b"the task has finished") {
        assert!(line.read_buf(&mut received).await.unwrap() > 0, "{}", String::from_utf8_lossy(&received));
    }
    let waits = tokio::time::timeout(Duration::from_millis(300), line.read_buf(&mut received)).await;
    assert!(waits.is_err(), "it left before the client said goodbye");
    line.write_all(&[0x8a, 0x80, 1, 2, 3, 4, 0x88, 0x80, 1, 2, 3, 4]).await.unwrap();
    line.read_to_end(&mut received).await.expect("an orderly end");
}
