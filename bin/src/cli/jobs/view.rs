//! Prints a followed job: a progress bar with the log above it on a terminal, plain lines
//! elsewhere, or one JSON object per event.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Value, json};

use super::list::progress;
use crate::cli::common::error::CliError;
use crate::cli::common::output::{self, cell, printable};
use crate::cli::common::time::relative;

/// The destination of the events.
pub(super) enum View {
    Terminal(ProgressBar),
    Plain,
    Json,
}

impl View {
    pub(super) fn new(json: bool) -> Self {
        if json {
            Self::Json
        } else if output::is_terminal() {
            Self::Terminal(bar())
        } else {
            Self::Plain
        }
    }

    /// The state of the job at a (re)connect.
    pub(super) fn snapshot(&self, data: &Value) {
        let job = data.get("job").unwrap_or(data);
        if let Self::Terminal(bar) = self {
            bar.set_message(cell(&job["status"]));
            move_bar(bar, &job["progress"]);
        }
    }

    pub(super) fn event(&self, kind: &str, number: u64, data: &Value) -> Result<(), CliError> {
        match self {
            Self::Json => output::line(&json!({ "event": kind, "id": number, "data": data }).to_string()),
            Self::Plain => output::line(&describe(kind, data)),
            Self::Terminal(bar) => {
                if kind == "progress" {
                    move_bar(bar, data);
                } else {
                    bar.println(printable(&describe(kind, data)));
                }
                Ok(())
            }
        }
    }

    /// Events that the server no longer has.
    pub(super) fn gap(&self, first: u64, last: u64) {
        let text = format!("(events {first} to {last} are no longer kept)");
        match self {
            Self::Terminal(bar) => bar.println(text),
            Self::Plain | Self::Json => output::note(&text),
        }
    }

    /// The connection was lost and will be opened again.
    pub(super) fn waiting(&self) {
        if let Self::Terminal(bar) = self {
            bar.set_message("connecting again …");
        }
    }

    pub(super) fn end(&self, state: &str, data: &Value) -> Result<(), CliError> {
        match self {
            Self::Json => return output::line(&json!({ "event": state, "data": data }).to_string()),
            Self::Terminal(bar) => bar.finish_and_clear(),
            Self::Plain => {}
        }
        output::line(state)?;
        match &data["result"] {
            Value::Null => Ok(()),
            result => output::line(&result.to_string()),
        }
    }
}

fn bar() -> ProgressBar {
    let style = ProgressStyle::with_template("{elapsed:>4} {bar:30.cyan/dim} {percent:>3}% {wide_msg}")
        .expect("the template is well-formed")
        .progress_chars("━╸─");
    let bar = ProgressBar::with_draw_target(Some(100), ProgressDrawTarget::stdout()).with_style(style);
    bar.enable_steady_tick(Duration::from_millis(500));
    bar
}

fn move_bar(bar: &ProgressBar, progress: &Value) {
    if let Some(percent) = progress["percent"].as_f64() {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 0 to 100")]
        bar.set_position(percent.clamp(0.0, 100.0) as u64);
    }
    if let Some(step) = progress["step"].as_str() {
        bar.set_message(printable(step).replace('\n', " "));
    }
}

/// An event as one line.
fn describe(kind: &str, data: &Value) -> String {
    let by = data["by"].as_str().map(|by| format!(" by {by}")).unwrap_or_default();
    let attempt = cell(&data["attempt"]);
    match kind {
        "log" => cell(&data["line"]),
        "progress" => format!("[{}]", progress(data)),
        "attempt_failed" => format!("attempt {attempt} failed: {}", cell(&data["error"]["message"])),
        "lease_lost" => format!("attempt {attempt} lost its worker {}", cell(&data["worker_id"])),
        "retry" if data["run_at"].is_string() => format!("next attempt {}", relative(&data["run_at"])),
        "retry" => format!("retried{by}"),
        "snoozed" => format!("snoozed{by}, due {}", relative(&data["run_at"])),
        "released" => "handed back by its worker".into(),
        "cancel_requested" => format!("cancel requested{by}"),
        other => format!("{other} {}", own_fields(data)),
    }
}

/// The fields of an event other than those that all events have.
fn own_fields(data: &Value) -> Value {
    let mut own = data.clone();
    if let Some(fields) = own.as_object_mut() {
        for common in ["job_id", "seq", "attempt", "at", "type"] {
            fields.remove(common);
        }
    }
    own
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_one_line_each() {
        for (kind, data, expected) in [
            ("log", json!({"stream": "stdout", "line": "a line"}), "a line"),
            ("progress", json!({"percent": 30.4, "step": "compiling"}), "[30% compiling]"),
            ("progress", json!({"step": "compiling"}), "[compiling]"),
            (
                "attempt_failed",
                json!({"attempt": 2, "error": {"message": "exit 1"}}),
                "attempt 2 failed: exit 1",
            ),
            ("retry", json!({"by": "ann"}), "retried by ann"),
            ("mine", json!({"seq": 1, "attempt": 1, "x": 2}), "mine {\"x\":2}"),
        ] {
            assert_eq!(describe(kind, &data), expected);
        }
    }
}
