//! Follows a task over a WebSocket, always from the beginning. Must never be opened by a page of a
//! foreign origin.

use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::http::HeaderMap;
use axum::http::header::{HOST, ORIGIN};
use axum::response::Response;
use futures_util::StreamExt;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use url::Url;
use uuid::Uuid;

use super::frames::Translator;
use super::status::Execution;
use crate::agent::args::KIND;
use tidemill::extension::http::{Caller, Case, SUBPROTOCOL, StreamPlace, StreamReader, frames, unknown};
use tidemill::{ApiState, Problem};

/// How many events are read at once for a client that lags behind.
const PAGE_LIMIT: i64 = 500;
/// How often the client is pinged, and its key looked at.
const BEAT: Duration = Duration::from_secs(5);
/// How long a client may take to say goodbye in its turn.
const GOODBYE: Duration = Duration::from_secs(5);
/// The most that a client may say at once; nothing that it says means anything.
const MOST_BYTES: usize = 4 * 1024;

/// Follow a task live
///
/// A WebSocket. Each message is JSON with `type` (`task_started`, `step`, `screenshot`, `execution_completed`, `error`), `data` and
/// `timestamp`. A client that connects late gets everything from the beginning; the last message is
/// `execution_completed` or `error`. A browser, which cannot send an Authorization header, offers
/// the subprotocols `tidemill.v1` and its API key.
#[utoipa::path(
    get, path = "/ws/execution/{execution_id}", tag = "tasks",
    responses(
        (status = 101, description = "The messages follow"),
        (status = 400, description = "The request is not a WebSocket handshake"),
    )
)]
pub(super) async fn follow(
    State(state): State<ApiState>,
    Execution { job_id, .. }: Execution,
    caller: Option<Extension<Caller>>,
    place: Option<Extension<StreamPlace>>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    refuse_strangers(&headers, &state.settings.cors_origins)?;
    let upgrade = upgrade.map_err(|rejection| {
        let problem = Problem::new(
            Case::BadRequest,
            format!("This is not a WebSocket handshake: {}", rejection.body_text()),
        );
        problem.remedy("Open it as a WebSocket, or read /api/v1/jobs/{id}/events as server-sent events.")
    })?;
    // Watched before it is read, so that nothing in between is missed.
    let watch = state.watchers.watch(job_id);
    let document = state.store.find_job(job_id).await?.ok_or_else(|| unknown(job_id))?;
    let reader = StreamReader { watch, document, after: 0, types: [].into(), page_limit: PAGE_LIMIT };
    let caller = caller.map(|Extension(caller)| caller);
    let upgrade = upgrade.max_message_size(MOST_BYTES).max_frame_size(MOST_BYTES).protocols([SUBPROTOCOL]);
    Ok(upgrade.on_upgrade(move |socket| async move {
        let _place = place;
        serve(state, caller, reader, socket).await;
    }))
}

/// No browser keeps a page from opening a WebSocket to anywhere, so the server looks whose page it is.
fn refuse_strangers(headers: &HeaderMap, allowed: &[String]) -> Result<(), Problem> {
    let Some(origin) = headers.get(ORIGIN) else { return Ok(()) };
    let origin = origin.to_str().unwrap_or_default();
    let is_own = || {
        let host = headers.get(HOST).and_then(|host| host.to_str().ok());
        let authority = Url::parse(origin).ok().map(|url| url.authority().to_ascii_lowercase());
        host.is_some_and(|host| authority.as_deref() == Some(&host.to_ascii_lowercase()))
    };
    if is_own() || allowed.iter().any(|allowed| allowed == origin) {
        return Ok(());
    }
    Err(Problem::new(Case::CrossSite, "The WebSocket was opened by a page of another origin."))
}

async fn serve(state: ApiState, caller: Option<Caller>, reader: StreamReader, mut socket: WebSocket) {
    state.metrics.streams_open.inc();
    let job_id = reader.document.id;
    let closing = followed(&state, caller, reader, &mut socket).await;
    if let Some((code, reason)) = closing {
        // A disconnected client needs no close frame. For others, read their last messages: while one is
        // unread, the system resets the connection, and the client loses the data in flight.
        let goodbye = async {
            let close = Message::Close(Some(CloseFrame { code, reason: reason.into() }));
            let mut open = socket.send(close).await.is_ok();
            while open {
                open = matches!(socket.recv().await, Some(Ok(_)));
            }
        };
        let _ = timeout(GOODBYE, goodbye).await;
    }
    tracing::debug!(%job_id, ?closing, "a client disconnected");
    state.metrics.streams_open.dec();
}

/// Sends until the end; answers how to say goodbye, `None` if the client is gone.
async fn followed(
    state: &ApiState,
    caller: Option<Caller>,
    reader: StreamReader,
    socket: &mut WebSocket,
) -> Option<(u16, &'static str)> {
    let job_id: Uuid = reader.document.id;
    let mut translator = Translator::new(state.store.clone(), job_id, reader.document.kind != KIND);
    let mut frames = std::pin::pin!(frames(state.watchers.clone(), reader));
    let mut expired = std::pin::pin!(sleep(state.settings.stream_lifetime));
    let mut beat = interval(BEAT);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            frame = frames.next() => {
                let Some(frame) = frame else { return Some((close_code::AWAY, "the task was deleted")) };
                let Ok(messages) = translator.translate(&frame).await else {
                    return Some((close_code::AGAIN, "the database does not answer; reconnect"));
                };
                for message in messages {
                    state.metrics.stream_events.inc();
                    socket.send(Message::Text(message.into())).await.ok()?;
                }
                if frame.last {
                    return Some((close_code::NORMAL, "the task has finished"));
                }
            }
            message = socket.recv() => match message {
                Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
                Some(Ok(_)) => {}
            },
            () = &mut expired => return Some((close_code::AGAIN, "the stream has reached its lifetime; reconnect")),
            () = state.shutdown.cancelled() => return Some((close_code::RESTART, "the server is shutting down; reconnect")),
            _ = beat.tick() => {
                if let Some(caller) = &caller
                    && !state.gate.still_allows(caller).await.unwrap_or(true)
                {
                    return Some((close_code::POLICY, "the API key is no longer valid"));
                }
                socket.send(Message::Ping(axum::body::Bytes::new())).await.ok()?;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn only_own_pages_and_allowed_ones_open_it() {
        let judged = |origin: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, HeaderValue::from_static("localhost:8080"));
            headers.insert(ORIGIN, HeaderValue::from_static(origin));
            refuse_strangers(&headers, &["https://app.example.com".to_owned()]).is_ok()
        };
        assert!(judged("http://localhost:8080") && judged("https://app.example.com"));
        assert!(!judged("http://localhost:8081") && !judged("https://evil.example") && !judged("null"));
        assert!(refuse_strangers(&HeaderMap::new(), &[]).is_ok(), "programs send no origin");
    }
}
