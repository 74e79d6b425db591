//! The statistics as a file: JSON, or CSV by RFC 4180 with a header line. Must write every field of
//! a row in both formats.

use axum::Json;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::store::stats::ExportRow;

/// How a file is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Format {
    /// One array of objects.
    #[default]
    Json,
    /// A line a row.
    Csv,
}

/// The columns of CSV, in order: the fields of a row.
const COLUMNS: [&str; 15] = [
    "at",
    "queue",
    "kind",
    "enqueued",
    "completed",
    "failed",
    "cancelled",
    "retried",
    "executions",
    "success_rate",
    "error_rate",
    "average_run_seconds",
    "least_run_seconds",
    "most_run_seconds",
    "average_wait_seconds",
];

/// The rows as the body of an answer.
pub(crate) fn answer(format: Format, rows: &[ExportRow]) -> Response {
    match format {
        Format::Json => Json(rows).into_response(),
        Format::Csv => {
            let name = "attachment; filename=\"tidemill-stats.csv\"";
            let headers = [(CONTENT_TYPE, "text/csv; charset=utf-8"), (CONTENT_DISPOSITION, name)];
            (headers, csv(rows)).into_response()
        }
    }
}

fn csv(rows: &[ExportRow]) -> String {
    let mut text = COLUMNS.join(",") + "\r\n";
    for row in rows {
        let fields = serde_json::to_value(row).unwrap_or_default();
        let cells: Vec<String> = COLUMNS.iter().map(|column| cell(&fields[column])).collect();
        text += &cells.join(",");
        text += "\r\n";
    }
    text
}

/// A field, in quotes where it needs them; nothing for null.
fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) if text.contains([',', '"', '\r', '\n']) => {
            format!("\"{}\"", text.replace('"', "\"\""))
        }
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::store::stats::Counts;

    #[test]
    fn every_field_has_a_column_and_odd_names_are_quoted() {
        let row = ExportRow {
            at: chrono::DateTime::UNIX_EPOCH,
            queue: "q".into(),
            kind: "a,\"b\"".into(),
            counts: Counts { completed: 2, success_rate: Some(0.5), ..Counts::default() },
        };
        let Value::Object(fields) = json!(row) else { unreachable!() };
        let mut columns = COLUMNS.to_vec();
        columns.sort_unstable();
        assert_eq!(fields.keys().collect::<Vec<_>>(), columns);
        let text = csv(&[row]);
        let line = text.lines().nth(1).unwrap();
        assert_eq!(line, "1970-01-01T00:00:00.000000Z,q,\"a,\"\"b\"\"\",0,2,0,0,0,0,0.5,,,,,");
    }
}
