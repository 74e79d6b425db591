//! One frame of an event stream: an event of a job, ready to be sent to any number of readers. Must
//! never let a handler's text into a field where it could end the frame.

use axum::response::sse;
use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::job::document::JobDocument;
use crate::job::state::JobState;
use crate::store::jobs::events::Event;

/// The longest type of an event that is sent, in characters.
const KIND_CHARACTERS: usize = 100;

/// Line breaks that JSON does not escape.
const MORE_LINE_BREAKS: [char; 3] = ['\u{85}', '\u{2028}', '\u{2029}'];

/// The type of the frame for changed settings; only readers that name it get it.
pub const SETTINGS: &str = "settings";

/// The suffix of the last frame's id.
pub const ENDED: &str = "-end";

/// Why a reader must discard its position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reset {
    /// Retention dropped unseen events.
    Dropped,
    /// The reader has seen more events than exist: the database was restored to an earlier time.
    Ahead,
    /// The database was restored to an earlier state, with other later events.
    WentBack,
}

/// Why a stream of many jobs is incomplete at this position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gap {
    /// Retention dropped unseen changes.
    Dropped,
    /// The database is in an earlier state: a standby without the latest changes took over, or a backup was
    /// restored.
    WentBack,
    /// One transaction changed more jobs than a stream carries.
    Lagged,
}

/// One frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Its job.
    pub job_id: Uuid,
    /// The number of the job's last event once this frame was read.
    pub seq: i64,
    /// The type, as it was stored.
    pub kind: String,
    /// JSON; empty for a frame that only moves the reader's position.
    pub data: String,
    /// True if the job has finished and nothing follows.
    pub last: bool,
}

impl Frame {
    /// A snapshot of the job, for a reader that continues after `position`.
    #[must_use]
    pub fn snapshot(document: &JobDocument, position: i64) -> Self {
        let envelope = envelope(document.id, position, document.attempt, Utc::now());
        Self::of(document.id, position, "snapshot", fields(document), envelope)
    }

    /// A stored event.
    #[must_use]
    pub fn event(event: &Event) -> Self {
        let own = match &event.data {
            Value::Object(fields) => fields.clone(),
            other => Map::from_iter([("value".to_owned(), other.clone())]),
        };
        let envelope = envelope(event.job_id, event.seq, event.attempt, event.at);
        Self::of(event.job_id, event.seq, &event.kind, own, envelope)
    }

    /// Reports that the stream continues after `position` instead of the reader's own.
    #[must_use]
    pub fn reset(job_id: Uuid, position: i64, attempt: i32, reason: Reset, thought: i64) -> Self {
        let reason = match reason {
            Reset::Dropped => "events up to this number were dropped by retention",
            Reset::Ahead => "the reader has seen more events than there are",
            Reset::WentBack => "the database was restored to an earlier state: later events no longer exist",
        };
        let own =
            Map::from_iter([("reason".to_owned(), json!(reason)), ("after".to_owned(), json!(thought))]);
        Self::of(job_id, position, "reset", own, envelope(job_id, position, attempt, Utc::now()))
    }

    /// Reports that a stream of many jobs is incomplete: missing events, or events that no longer exist,
    /// start at `since`.
    #[must_use]
    pub fn gap(gap: Gap, since: DateTime<Utc>) -> Self {
        let (kind, reason) = match gap {
            Gap::Dropped => ("reset", "some of the events since then were dropped by retention"),
            Gap::WentBack => (
                "reset",
                "the database was restored to an earlier state: events shown since then may no \
                 longer exist; those that exist are shown again",
            ),
            Gap::Lagged => (
                "lagged",
                "one transaction changed more jobs than a stream carries: list them with GET /api/v1/jobs, \
                 then continue here",
            ),
        };
        let time = |at: DateTime<Utc>| json!(at.to_rfc3339_opts(SecondsFormat::Micros, true));
        let data = json!({"reason": reason, "since": time(since), "at": time(Utc::now())}).to_string();
        Self { data, kind: kind.to_owned(), ..Self::position(Uuid::nil(), 0) }
    }

    /// Reports to a reader that requested it that queues, limits, schedules, keys or rules of alerts changed.
    #[must_use]
    pub fn settings() -> Self {
        let at = Utc::now().to_rfc3339_opts(SecondsFormat::Micros, true);
        let data = json!({ "at": at }).to_string();
        Self { data, kind: SETTINGS.to_owned(), ..Self::position(Uuid::nil(), 0) }
    }

    /// The end of a finished job.
    #[must_use]
    pub fn end(document: &JobDocument) -> Self {
        let own = match document.state {
            JobState::Completed => ("result".to_owned(), json!(document.result)),
            _ => ("error".to_owned(), json!(document.error)),
        };
        let at = document.finished_at.unwrap_or_else(Utc::now);
        let envelope = envelope(document.id, document.last_seq, document.attempt, at);
        let frame =
            Self::of(document.id, document.last_seq, document.state.word(), Map::from_iter([own]), envelope);
        Self { last: true, ..frame }
    }

    /// Moves the reader's position past events that it did not request.
    #[must_use]
    pub fn position(job_id: Uuid, seq: i64) -> Self {
        Self { job_id, seq, kind: String::new(), data: String::new(), last: false }
    }

    /// The position with which a reader of this job alone reconnects. The position of the end differs from
    /// that of the last event: a reader that received it needs nothing more.
    #[must_use]
    pub fn id(&self) -> String {
        if self.last { format!("{}{ENDED}", self.seq) } else { self.seq.to_string() }
    }

    /// The frame in wire format; `id` is the position with which a reader reconnects.
    ///
    /// # Panics
    /// If `id` holds a line break or NUL; ids are numbers and cursors of ours.
    pub fn sse(&self, id: &str) -> sse::Event {
        let event = sse::Event::default().id(id);
        if self.data.is_empty() {
            return event;
        }
        event.event(one_line(&self.kind)).data(&self.data)
    }

    fn of(
        job_id: Uuid,
        seq: i64,
        kind: &str,
        mut own: Map<String, Value>,
        envelope: Map<String, Value>,
    ) -> Self {
        own.extend(envelope);
        Self { job_id, seq, kind: kind.to_owned(), data: one_line_json(&Value::Object(own)), last: false }
    }
}

/// JSON without characters that some readers take for the end of a line: `str.splitlines` of Python, on
/// which httpx reads lines, knows three more than JSON escapes.
fn one_line_json(value: &Value) -> String {
    let escaped =
        |text: String, letter: &char| text.replace(*letter, &format!("\\u{:04x}", u32::from(*letter)));
    let text = value.to_string();
    if text.contains(MORE_LINE_BREAKS) { MORE_LINE_BREAKS.iter().fold(text, escaped) } else { text }
}

/// An event as an item of a list: as its frame, and its type.
#[must_use]
pub fn item(event: &Event) -> Value {
    let mut item: Value = serde_json::from_str(&Frame::event(event).data).unwrap_or_default();
    item["type"] = json!(event.kind);
    item
}

fn envelope(job_id: Uuid, seq: i64, attempt: i32, at: DateTime<Utc>) -> Map<String, Value> {
    let at = at.to_rfc3339_opts(SecondsFormat::Micros, true);
    let pairs =
        [("job_id", json!(job_id)), ("seq", json!(seq)), ("attempt", json!(attempt)), ("at", json!(at))];
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn fields(document: &JobDocument) -> Map<String, Value> {
    match serde_json::to_value(document) {
        Ok(Value::Object(fields)) => fields,
        _ => Map::new(),
    }
}

/// A type that fits in one line of a frame.
fn one_line(kind: &str) -> String {
    let breaks = |letter: char| letter.is_control() || MORE_LINE_BREAKS.contains(&letter);
    let visible = kind.chars().map(|letter| if breaks(letter) { '_' } else { letter });
    let line: String = visible.take(KIND_CHARACTERS).collect();
    let line = line.trim();
    if line.is_empty() { "event".to_owned() } else { line.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(kind: &str, data: Value) -> Event {
        Event { job_id: Uuid::nil(), seq: 7, attempt: 2, kind: kind.into(), data, at: DateTime::UNIX_EPOCH }
    }

    #[test]
    fn a_types_own_fields_never_hide_the_envelope() {
        let frame = Frame::event(&event("progress", json!({"percent": 3, "seq": 99, "job_id": "x"})));
        let data: Value = serde_json::from_str(&frame.data).unwrap();
        assert_eq!((&data["percent"], &data["seq"], &data["attempt"]), (&json!(3), &json!(7), &json!(2)));
        assert_eq!(data["job_id"], json!(Uuid::nil()));
        assert_eq!(data["at"], "1970-01-01T00:00:00.000000Z");
        let plain = Frame::event(&event("note", json!([1])));
        assert!(plain.data.contains("\"value\":[1]"));
    }

    #[test]
    fn no_type_breaks_a_frame() {
        for kind in ["a\r\ndata: evil", "\0", "", " ", "\n", "ü\u{2028}", &"x".repeat(5000)] {
            let frame = Frame::event(&event(
                kind,
                json!({"text": "line\r\n\r\nevent: evil\n\n\u{85}\u{2028}\u{2029}"}),
            ));
            assert!(!frame.data.contains(['\r', '\n']) && !frame.data.contains(MORE_LINE_BREAKS));
            let line = one_line(kind);
            assert!(!line.is_empty() && line.len() <= 400 && !line.contains(['\r', '\n', '\0']), "{kind:?}");
            let _ = frame.sse("7");
        }
    }
}
