//! Sends frames as server-sent events: headers, keep-alive comments, and the bounds of every stream
//! (its lifetime, the shutdown, a revoked key). Must never buffer more than the frame that is being
//! sent.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use async_stream::stream;
use axum::http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, HeaderName, VARY};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use chrono::Utc;
use futures_util::{Stream, StreamExt};
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::frame::ENDED;
use crate::api::server::auth::caller::Caller;
use crate::api::server::auth::gate::Gate;
use crate::api::server::problem::{Case, Problem, quoted};
use crate::api::state::ApiState;
use crate::metrics::Metrics;

/// How long a request stays without an answer: shorter than the timeouts of proxies, 50 s in HAProxy as
/// configured by Debian and 60 s in nginx.
pub const LONGEST_SILENCE: Duration = Duration::from_secs(45);
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How often the key of a stream is checked.
const RECHECK: Duration = Duration::from_secs(5);
const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");
/// The header with which a reader reconnects.
pub const LAST_EVENT_ID: &str = "last-event-id";

/// True if the caller asks for server-sent events.
#[must_use]
pub fn wants_stream(headers: &HeaderMap) -> bool {
    let accepts = |value: &HeaderValue| {
        value.to_str().is_ok_and(|text| text.to_ascii_lowercase().contains("text/event-stream"))
    };
    headers.get_all(ACCEPT).iter().any(accepts)
}

/// The start position of a query.
#[derive(Debug, Clone, Copy, Default)]
pub struct QueryPosition<'a> {
    /// `lastEventId`: replacements of `EventSource` add it when they reconnect and cannot send the header.
    pub last_event_id: Option<&'a str>,
    /// `after`: a reader that reconnects by itself repeats it unchanged.
    pub after: Option<&'a str>,
}

impl<'a> QueryPosition<'a> {
    /// From the two parameters.
    #[must_use]
    pub fn of(last_event_id: Option<&'a String>, after: Option<&'a String>) -> Self {
        Self { last_event_id: last_event_id.map(String::as_str), after: after.map(String::as_str) }
    }
}

/// The position up to which the reader has read: from its header, otherwise from its query.
///
/// # Errors
/// 400 if the header appears several times or is not text.
pub fn last_event_id<'a>(
    headers: &'a HeaderMap,
    query: QueryPosition<'a>,
) -> Result<Option<(&'a str, &'static str)>, Problem> {
    let mut found = headers.get_all(LAST_EVENT_ID).iter();
    let (first, None) = (found.next(), found.next()) else {
        return Err(bad_position("Last-Event-ID", "several"));
    };
    let Some(value) = first else {
        let again = query.last_event_id.filter(|text| !text.is_empty());
        return Ok(again.map(|text| (text, "lastEventId")).or(query.after.map(|after| (after, "after"))));
    };
    let text = value.to_str().map_err(|_| bad_position("Last-Event-ID", "bytes that are not ASCII"))?;
    Ok(Some((text, "Last-Event-ID")))
}

/// The problem for an invalid position.
#[must_use]
pub fn bad_position(field: &'static str, text: &str) -> Problem {
    Problem::new(Case::BadRequest, format!("{} is not a position in this stream.", quoted(text)))
        .field(field)
        .remedy(
            "Send the id of the last frame that you received, unchanged, or nothing to begin at the start.",
        )
}

/// A position in the events of one job, and whether its end was seen there.
///
/// # Errors
/// 400 for anything else.
pub fn position_or_end(field: &'static str, text: &str) -> Result<(i64, bool), Problem> {
    match text.strip_suffix(ENDED) {
        Some(number) => position(field, number).map(|seq| (seq, true)).map_err(|_| bad_position(field, text)),
        None => position(field, text).map(|seq| (seq, false)),
    }
}

/// A position in the events of one job: digits and nothing else.
///
/// # Errors
/// 400 for anything else.
pub fn position(field: &'static str, text: &str) -> Result<i64, Problem> {
    let is_number = (1..=19).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    let parsed = is_number.then(|| text.parse().ok()).flatten();
    parsed.ok_or_else(|| bad_position(field, text))
}

/// The answer that sends `events` until they end or the stream must end.
pub fn respond(
    state: &ApiState,
    caller: Option<Caller>,
    events: impl Stream<Item = Event> + Send + 'static,
) -> Response {
    let bounded = bounded(state, caller, Box::pin(events)).map(Ok::<_, Infallible>);
    let mut response = Sse::new(bounded)
        .keep_alive(KeepAlive::new().interval(KEEP_ALIVE).text("keep-alive"))
        .into_response();
    let headers = response.headers_mut();
    // Server-sent events are always UTF-8, but some readers need the charset.
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store, no-transform"));
    headers.insert(VARY, HeaderValue::from_static("accept"));
    headers.insert(ACCEL_BUFFERING, HeaderValue::from_static("no"));
    response
}

/// Every open stream has one of these, so it holds only what it needs: the caller, and not the whole state.
/// (`docs/browsers.md` gives the memory of a stream.)
fn bounded<S: Stream<Item = Event> + Send + 'static>(
    state: &ApiState,
    caller: Option<Caller>,
    mut events: Pin<Box<S>>,
) -> impl Stream<Item = Event> + Send + use<S> {
    let open = Open::new(Arc::clone(&state.metrics));
    let (gate, shutdown) = (Arc::clone(&state.gate), state.shutdown.clone());
    let caller = caller.map(Box::new);
    let (lifetime, why, retry) = lifetime(state, caller.as_deref());
    stream! {
        let expired = sleep(lifetime);
        tokio::pin!(expired);
        let mut recheck = interval(RECHECK);
        recheck.set_missed_tick_behavior(MissedTickBehavior::Delay);
        recheck.reset();
        let ends = format!("this stream ends after {} s; reconnect then", lifetime.as_secs());
        yield Event::default().comment(ends).retry(pause());
        loop {
            let (event, ends) = tokio::select! {
                event = events.next() => (event, false),
                () = &mut expired => (Some(Event::default().comment(why).retry(retry)), true),
                () = shutdown.cancelled() => (Some(come_back("the server is shutting down")), true),
                _ = recheck.tick() => match &caller {
                    Some(caller) if !Box::pin(still_allowed(&gate, caller)).await => return,
                    _ => continue,
                },
            };
            let Some(event) = event else { return };
            open.0.stream_events.inc();
            yield event;
            if ends {
                return;
            }
        }
    }
}

/// How long a stream lasts, why it ends then, and when its reader reconnects: a reader whose token expires is
/// answered 401 until it has a new one, so it need not wait.
fn lifetime(state: &ApiState, caller: Option<&Caller>) -> (Duration, &'static str, Duration) {
    let most = state.settings.stream_lifetime;
    let token = caller.and_then(|caller| caller.token.as_deref());
    let left = token.map(|token| (token.expires_at() - Utc::now()).to_std().unwrap_or_default());
    match left.filter(|left| *left < most) {
        Some(left) => (left, "the token has expired", Duration::from_millis(rand::random_range(0..1_000))),
        None => (most, "the stream has reached its lifetime", pause()),
    }
}

/// If the database is unreachable, keep the stream open.
async fn still_allowed(gate: &Gate, caller: &Caller) -> bool {
    gate.still_allows(caller).await.unwrap_or(true)
}

/// The reconnect delay after a stream ends or breaks: spread over some seconds, so that readers do not all
/// reconnect at once, and long enough for a server restart. Firefox gives up at the first refusal if the
/// page has another origin.
fn pause() -> Duration {
    Duration::from_millis(rand::random_range(5_000..10_000))
}

fn come_back(why: &str) -> Event {
    Event::default().comment(why).retry(pause())
}

/// Counts a stream while it is open.
struct Open(Arc<Metrics>);

impl Open {
    fn new(metrics: Arc<Metrics>) -> Self {
        metrics.streams_open.inc();
        Self(metrics)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.streams_open.dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_a_number_and_nothing_else() {
        assert_eq!(position("after", "0").unwrap(), 0);
        assert_eq!(position("after", "9223372036854775807").unwrap(), i64::MAX);
        for bad in [
            "",
            " 1",
            "+1",
            "-1",
            "1.0",
            "1e3",
            "９",
            "9223372036854775808",
            "99999999999999999999",
            "0x1",
            "1\r\n",
        ] {
            let document = position("Last-Event-ID", bad).unwrap_err().document();
            assert_eq!((document.status, document.field.as_deref()), (400, Some("Last-Event-ID")), "{bad}");
        }
    }

    #[test]
    fn the_header_goes_before_the_query() {
        let mut headers = HeaderMap::new();
        let query = |last_event_id, after| QueryPosition { last_event_id, after };
        assert_eq!(last_event_id(&headers, query(None, None)).unwrap(), None);
        assert_eq!(last_event_id(&headers, query(Some(""), Some("3"))).unwrap(), Some(("3", "after")));
        assert_eq!(last_event_id(&headers, query(Some("5"), Some("3"))).unwrap(), Some(("5", "lastEventId")));
        headers.append(LAST_EVENT_ID, HeaderValue::from_static("7"));
        assert_eq!(
            last_event_id(&headers, query(Some("5"), Some("3"))).unwrap(),
            Some(("7", "Last-Event-ID"))
        );
        headers.append(LAST_EVENT_ID, HeaderValue::from_static("8"));
        assert!(last_event_id(&headers, query(None, None)).is_err());
    }
}
