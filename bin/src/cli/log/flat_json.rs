//! Formats a log line as JSON: one flat object with `timestamp`, `level`, `event` (the message),
//! `target`, and the fields of the event and of its spans, such as `session_id` and `task_id`. Must
//! never nest.

use std::fmt::{self, Debug};

use chrono::{SecondsFormat, Utc};
use serde::Serialize;
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::{LookupSpan, Scope};

/// Needs spans whose fields are formatted as JSON.
pub(crate) struct FlatJson;

impl<S, N> FormatEvent<S, N> for FlatJson
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut line = Line(Map::new());
        for span in context.event_scope().into_iter().flat_map(Scope::from_root) {
            let extensions = span.extensions();
            let fields = extensions.get::<FormattedFields<N>>().map(|fields| fields.fields.as_str());
            // The innermost value wins.
            if let Some(Ok(fields)) = fields.map(serde_json::from_str::<Map<String, Value>>) {
                line.0.extend(fields);
            }
        }
        event.record(&mut line);
        let metadata = event.metadata();
        // A line of the `log` crate says itself where it is from.
        let target = line.0.remove("log.target").unwrap_or_else(|| metadata.target().into());
        let ours = ["timestamp", "level", "target"];
        line.0.retain(|name, _| !name.starts_with("log.") && !ours.contains(&name.as_str()));
        let line = Ordered {
            timestamp: Utc::now().to_rfc3339_opts(SecondsFormat::Micros, true),
            level: metadata.level().as_str().to_ascii_lowercase(),
            event: line.0.remove("event").unwrap_or_default(),
            fields: line.0,
            target,
        };
        writeln!(writer, "{}", serde_json::to_string(&line).map_err(|_| fmt::Error)?)
    }
}

/// A line as a person reads it.
#[derive(Serialize)]
struct Ordered {
    timestamp: String,
    level: String,
    event: Value,
    #[serde(flatten)]
    fields: Map<String, Value>,
    target: Value,
}

/// The fields of a line by their names.
struct Line(Map<String, Value>);

impl Line {
    fn insert(&mut self, field: &Field, value: Value) {
        let name = if field.name() == "message" { "event" } else { field.name() };
        self.0.insert(name.to_owned(), value);
    }
}

impl Visit for Line {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.insert(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.insert(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.insert(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.insert(field, value.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.insert(field, value.into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.insert(field, format!("{value:?}").into());
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use serde_json::json;
    use tracing_subscriber::fmt::format::JsonFields;

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_is_one_flat_object_with_the_ids_of_its_spans() {
        let lines = Lines::default();
        let writer = lines.clone();
        let builder = tracing_subscriber::fmt().fmt_fields(JsonFields::new()).event_format(FlatJson);
        tracing::subscriber::with_default(builder.with_writer(move || writer.clone()).finish(), || {
            let _outer = tracing::info_span!("crawl", session_id = "abc-123", task_id = "outer").entered();
            let _inner = tracing::info_span!("page", task_id = %"xyz-789").entered();
            tracing::info!(pages = 3_u64, url = "a\n\"b\"", error = %fmt::Error, "Starting crawl session");
        });
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        assert_eq!(text.lines().count(), 1, "{text}");
        let mut line: Map<String, Value> = serde_json::from_str(&text).unwrap();
        let timestamp = line.remove("timestamp").unwrap();
        assert!(timestamp.as_str().unwrap().parse::<chrono::DateTime<Utc>>().is_ok(), "{timestamp}");
        assert!(line.remove("error").is_some());
        let expected = json!({
            "event": "Starting crawl session", "session_id": "abc-123", "task_id": "xyz-789", "level": "info",
            "target": module_path!(), "pages": 3, "url": "a\n\"b\"",
        });
        assert_eq!(Value::Object(line), expected);
    }
}
