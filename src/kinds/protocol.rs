//! The JSON lines with which a process or a URL reports about its job: progress, log, events,
//! files, and an outcome. A line that is not understood becomes a log line and never fails the job.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use super::kept_file::{KeptFile, Unkept};
use super::line_reader::Line;
use crate::job::limits::{ERROR_CLASS_BYTES, LONGEST_DELAY};
use crate::job::number::{Carried, LosesDigits};
use crate::job::text::{storable_json, storable_text, truncated};
use crate::worker::context::Context;
use crate::worker::handler::{Completion, JobError};

/// Room for `{"result":…}` around a result of the largest allowed size.
pub(super) const ENVELOPE_BYTES: usize = 64;
const EXCERPT_BYTES: usize = 200;
const EVENT_TYPE_BYTES: usize = 64;

/// The outcome of the attempt; a later one replaces an earlier one.
#[derive(Debug)]
pub(super) enum Verdict {
    Result(Value),
    Error(JobError),
    Snooze(Duration),
    /// Continues when a signal has arrived.
    Wait(JobError),
}

impl Verdict {
    /// The reported outcome of the attempt.
    pub(super) fn conclude(verdict: Option<Self>) -> Result<Completion, JobError> {
        match verdict {
            None => Ok(Completion::default()),
            Some(Self::Result(value)) => Ok(Completion::done(value)),
            Some(Self::Error(error) | Self::Wait(error)) => Err(error),
            Some(Self::Snooze(delay)) => Err(JobError::snooze(delay)),
        }
    }
}

/// The error for a result above the limit; another attempt would make the same one.
pub(super) fn result_too_large(limit_bytes: usize) -> JobError {
    JobError::permanent(format!(
        "the result is larger than {limit_bytes} bytes, the most that is stored with a job; \
         store it elsewhere and give its address as the result, or raise max_result_bytes"
    ))
    .class("result_too_large")
}

/// The error for a result in which a number would lose digits; another attempt would make the same one.
pub(super) fn result_unkept(error: &LosesDigits) -> JobError {
    JobError::permanent(format!("in the result {error}")).class("bad_result")
}

fn step_unkept(name: &str, error: &LosesDigits) -> JobError {
    JobError::permanent(format!("step {name}: in its output {error}")).class("bad_step")
}

/// Reads the lines of one attempt.
#[derive(Debug)]
pub(super) struct Channel<'a> {
    context: &'a Context,
    /// Name of the log stream for lines that were not understood.
    stream: &'static str,
    max_line_bytes: usize,
    max_result_bytes: usize,
    /// The folder whose files can be kept; `None` for what runs elsewhere.
    folder: Option<PathBuf>,
    /// A file could not be kept, which another attempt may mend.
    unkept: Option<JobError>,
    verdict: Option<Verdict>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Message {
    Progress(Progress),
    Result(Carried),
    Log(String),
    Event(Event),
    Error(Failure),
    Snooze(Value),
    Extend(Value),
    Step(Step),
    Cursor(Step),
    Wait(Wait),
    Keep(KeptFile),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    name: String,
    #[serde(default)]
    output: Carried,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wait {
    signal: String,
    timeout: Option<Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Progress {
    percent: Option<f64>,
    step: Option<String>,
    data: Option<Carried>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Event {
    r#type: String,
    #[serde(default)]
    data: Carried,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Failure {
    message: String,
    r#type: Option<String>,
    #[serde(default)]
    permanent: bool,
    backtrace: Option<String>,
    retry_after: Option<Value>,
}

impl<'a> Channel<'a> {
    pub(super) fn new(
        context: &'a Context,
        stream: &'static str,
        max_line_bytes: usize,
        max_result_bytes: usize,
    ) -> Self {
        let (folder, unkept, verdict) = (None, None, None);
        Self { context, stream, max_line_bytes, max_result_bytes, folder, unkept, verdict }
    }

    /// The same, of a process that runs in `folder` and may keep files there.
    pub(super) fn keeping_files_of(self, folder: PathBuf) -> Self {
        Self { folder: Some(folder), ..self }
    }

    /// The longest valid line: one with a result.
    pub(super) fn limit_bytes(&self) -> usize {
        self.max_line_bytes.max(self.max_result_bytes + ENVELOPE_BYTES)
    }

    /// Interprets one line.
    pub(super) async fn line(&mut self, line: Line) {
        if line.text.trim().is_empty() {
            return;
        }
        if let Err(reason) = self.obey(&line).await {
            let excerpt = truncated(line.text, EXCERPT_BYTES);
            self.context.log_to(self.stream, &format!("line not understood: {reason}: {excerpt}")).await;
        }
    }

    pub(super) fn into_verdict(self) -> Option<Verdict> {
        match (self.unkept, self.verdict) {
            // Done without its file would be done for good.
            (Some(error), None | Some(Verdict::Result(_))) => Some(Verdict::Error(error)),
            (_, verdict) => verdict,
        }
    }

    async fn obey(&mut self, line: &Line) -> Result<(), String> {
        if names_result(&line.text) && (line.cut || line.text.len() > self.max_result_bytes + ENVELOPE_BYTES)
        {
            self.verdict = Some(Verdict::Error(result_too_large(self.max_result_bytes)));
            return Ok(());
        }
        if !names_result(&line.text) && (line.cut || line.text.len() > self.max_line_bytes) {
            return Err(format!("it is longer than {} bytes", self.max_line_bytes));
        }
        match serde_json::from_str(&line.text).map_err(|error| error.to_string())? {
            Message::Progress(Progress { percent, step, data }) => {
                let step = step.map(storable_text);
                let data = data.map(Carried::kept).transpose().map_err(|error| error.to_string())?;
                self.context.progress_with(percent, step.as_deref(), data.map(storable_json)).await;
            }
            Message::Log(line) => self.context.log(&storable_text(line)).await,
            Message::Event(event) => {
                check_event_type(&event.r#type)?;
                let data = event.data.kept().map_err(|error| error.to_string())?;
                self.context.event(&event.r#type, storable_json(data)).await;
            }
            Message::Result(value) => {
                self.verdict = Some(match value.kept() {
                    Ok(value) => Verdict::Result(storable_json(value)),
                    Err(error) => Verdict::Error(result_unkept(&error)),
                });
            }
            Message::Error(failure) => self.verdict = Some(Verdict::Error(failure.into_error()?)),
            Message::Extend(by) => {
                // An attempt with a lost lease is being ended, so the error is ignored.
                self.context.extend(delay_of(&by)?).await;
            }
            Message::Snooze(delay) => self.verdict = Some(Verdict::Snooze(delay_of(&delay)?)),
            Message::Step(Step { name, output }) => {
                let output = output.kept().map_err(|error| step_unkept(&name, &error));
                let stored = match output {
                    Ok(output) => {
                        self.context.step(&name, || async { Ok(storable_json(output)) }).await.map(drop)
                    }
                    Err(error) => Err(error),
                };
                self.broken_by(stored.err());
            }
            Message::Cursor(Step { name, output }) => {
                let output = output.kept().map_err(|error| step_unkept(&name, &error));
                let stored = match output {
                    Ok(output) => self.context.save_cursor(&name, &storable_json(output)).await,
                    Err(error) => Err(error),
                };
                self.broken_by(stored.err());
            }
            Message::Wait(Wait { signal, timeout }) => {
                let timeout = timeout.as_ref().map(delay_of).transpose()?;
                self.verdict = Some(match self.context.signal::<Value>(&signal, timeout).await {
                    // The signal has arrived meanwhile.
                    Ok(_) => Verdict::Snooze(Duration::ZERO),
                    Err(wait) => Verdict::Wait(wait),
                });
            }
            Message::Keep(file) => Box::pin(self.keep(file)).await,
        }
        Ok(())
    }
}

impl Channel<'_> {
    /// A failed write ends the attempt: without the checkpoint the work would be done again.
    fn broken_by(&mut self, error: Option<JobError>) {
        if let Some(error) = error {
            self.verdict = Some(Verdict::Error(error));
        }
    }

    /// A file that no attempt could keep is said in the log, and fails nothing.
    async fn keep(&mut self, file: KeptFile) {
        let kept = match &self.folder {
            Some(folder) => file.keep(self.context, folder).await,
            None => Err(Unkept::Refused("only a command can keep files; store it elsewhere".into())),
        };
        let reason = match kept {
            Ok(()) => return,
            Err(Unkept::Refused(reason)) => reason,
            Err(Unkept::Failed(error)) => self.unkept.insert(error).to_string(),
        };
        self.context.log_to(self.stream, &format!("file not kept: {}", storable_text(reason))).await;
    }
}

impl Failure {
    fn into_error(self) -> Result<JobError, String> {
        let message = storable_text(self.message);
        let error = match self.retry_after {
            _ if self.permanent => JobError::permanent(message),
            Some(delay) => JobError::retry_after(delay_of(&delay)?, message),
            None => JobError::retry(message),
        };
        let error = match self.r#type {
            Some(class) => error.class(truncated(storable_text(class), ERROR_CLASS_BYTES)),
            None => error,
        };
        Ok(match self.backtrace {
            Some(backtrace) => error.backtrace(storable_text(backtrace)),
            None => error,
        })
    }
}

/// True if the line is a result by its first key, also when it is too long to be parsed.
pub(super) fn names_result(text: &str) -> bool {
    text.trim_start().strip_prefix('{').is_some_and(|fields| fields.trim_start().starts_with("\"result\""))
}

/// An event's type appears unchanged in streams and pages.
fn check_event_type(name: &str) -> Result<(), String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if (1..=EVENT_TYPE_BYTES).contains(&name.len()) && name.chars().all(fits) {
        return Ok(());
    }
    Err(format!("an event's type must be 1 to {EVENT_TYPE_BYTES} letters, digits, `_`, `-` or `.`"))
}

/// A delay is a text such as `30s`, or a number of seconds.
fn delay_of(value: &Value) -> Result<Duration, String> {
    let delay = match value {
        Value::String(text) => humantime::parse_duration(text).map_err(|error| error.to_string())?,
        Value::Number(seconds) => {
            let seconds = seconds.as_f64().unwrap_or(f64::NAN);
            Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())?
        }
        _ => return Err("snooze needs text such as \"30s\" or a number of seconds".into()),
    };
    Ok(delay.min(LONGEST_DELAY))
}

#[cfg(test)]
#[path = "protocol_tests.rs"]
mod tests;
