//! A client of a task's WebSocket, and who may be one.

use futures_util::StreamExt;
use serde_json::{Value, json};
use tidemill::api::key::Scope;
use tidemill::vault::Keyring;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::{Stage, task};
use crate::api::server::{text, until};

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
    let stranger = tidemill::api::key::ApiKey::generate();
    assert_eq!(knock(&stage, &path, &[offer(stranger.reveal())]).await, 401);
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
