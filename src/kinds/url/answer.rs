//! Turns the answer of a URL into the outcome of the attempt: its result, its lines as they arrive,
//! or a failure. Must never hold more of an answer in memory than the largest allowed result.

use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::header::{CONTENT_TYPE, LOCATION, RETRY_AFTER};
use reqwest::{Response, StatusCode};
use serde::de::IgnoredAny;
use serde_json::Value;

use super::spec::UrlSpec;
use crate::job::attempt::StopReason;
use crate::job::limits::LOG_LINE_BYTES;
use crate::job::number::Carried;
use crate::job::text::{storable_json, storable_text, truncated};
use crate::kinds::line_reader::{Ends, Line, Lines};
use crate::kinds::protocol::{Channel, Verdict, names_result, result_too_large, result_unkept};
use crate::worker::context::Context;
use crate::worker::handler::{Completion, JobError};

/// The longest line of a stream that is interpreted, other than a result.
const MAX_LINE_BYTES: usize = LOG_LINE_BYTES;
/// How much of the body of a refusal is repeated in the error.
const EXCERPT_BYTES: usize = 1024;
/// How far away a `Retry-After` is believed: what a foreign server says must not put a job off for ever.
const SHORTEST_SNOOZE: Duration = Duration::from_secs(1);
const LONGEST_SNOOZE: Duration = Duration::from_hours(1);

/// An answer whose head has come.
#[derive(Debug)]
pub(super) struct Answer<'a> {
    spec: &'a UrlSpec,
    context: &'a Context,
    response: Response,
}

/// The error of a call that was ended by a stop request.
pub(super) fn given_up(reason: StopReason) -> JobError {
    JobError::retry(format!("the call was given up: {reason}")).class("stopped")
}

/// The error of a call that is silent for longer than its kind allows.
pub(super) fn silence(spec: &UrlSpec) -> JobError {
    let host = spec.url.host_str().unwrap_or_default();
    JobError::retry(format!("{host} sent nothing for {:?}, the idle_timeout of its kind", spec.idle_timeout))
        .class("timeout")
}

fn broken_off(how: &str) -> JobError {
    JobError::retry(format!("the answer broke off: {how}")).class("connection")
}

impl<'a> Answer<'a> {
    pub(super) fn new(spec: &'a UrlSpec, context: &'a Context, response: Response) -> Self {
        Self { spec, context, response }
    }

    /// Reads it to its end.
    pub(super) async fn read(self) -> Result<Completion, JobError> {
        if !self.response.status().is_success() {
            return Err(self.refusal().await);
        }
        let content_type = self.header(CONTENT_TYPE).unwrap_or_default().to_ascii_lowercase();
        let media_type = content_type.split(';').next().unwrap_or_default().trim().to_owned();
        match media_type.as_str() {
            "application/x-ndjson" | "application/jsonl" => self.follow().await,
            media_type => {
                let is_json = media_type.ends_with("/json") || media_type.ends_with("+json");
                Ok(Completion::done(self.result(is_json).await?.unwrap_or_default()))
            }
        }
    }

    /// Interprets the lines of a stream as they arrive. A stop request ends it; earlier lines count.
    async fn follow(mut self) -> Result<Completion, JobError> {
        let mut channel = Channel::new(self.context, "url", MAX_LINE_BYTES, self.spec.max_result_bytes);
        let mut lines = Lines::new(Ends::LineFeed, channel.limit_bytes());
        loop {
            let context = self.context;
            let bytes = tokio::select! {
                biased;
                bytes = self.chunk() => bytes?,
                reason = context.stopped() => {
                    let verdict = channel.into_verdict();
                    return if verdict.is_some() { Verdict::conclude(verdict) } else { Err(given_up(reason)) };
                }
            };
            let Some(bytes) = bytes else { break };
            for line in lines.push(&bytes) {
                channel.line(line).await;
            }
        }
        if let Some(line) = lines.finish() {
            if breaks_off(&line) {
                return Err(broken_off("in the middle of a line"));
            }
            channel.line(line).await;
        }
        Verdict::conclude(channel.into_verdict())
    }

    /// The body as the result.
    async fn result(mut self, is_json: bool) -> Result<Option<Value>, JobError> {
        let limit_bytes = self.spec.max_result_bytes;
        let mut body = Vec::new();
        while let Some(bytes) = self.chunk().await? {
            if body.len() + bytes.len() > limit_bytes {
                return Err(result_too_large(limit_bytes));
            }
            body.extend_from_slice(&bytes);
        }
        if body.is_empty() {
            return Ok(None);
        }
        if !is_json {
            return Ok(Some(Value::String(storable_text(String::from_utf8_lossy(&body).into_owned()))));
        }
        let carried: Carried = serde_json::from_slice(&body).map_err(|error| {
            JobError::retry(format!("the answer's Content-Type is JSON, but its body is not: {error}"))
                .class("bad_result")
        })?;
        let value = carried.kept().map_err(|error| result_unkept(&error))?;
        Ok((!value.is_null()).then(|| storable_json(value)))
    }

    /// The error for an unsuccessful answer.
    async fn refusal(mut self) -> JobError {
        let status = self.response.status();
        if status.is_redirection() {
            let target = self.header(LOCATION).unwrap_or_default();
            return JobError::permanent(format!(
                "the URL answered {status} and points to `{}`; redirects are not followed: set the final \
                 address in the config",
                truncated(storable_text(target), EXCERPT_BYTES)
            ))
            .class("redirect");
        }
        let asks_to_wait = matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
        let wait = self.header(RETRY_AFTER).and_then(|value| delay_of(&value, Utc::now()));
        if let (true, Some(delay)) = (asks_to_wait, wait) {
            return JobError::snooze(delay.clamp(SHORTEST_SNOOZE, LONGEST_SNOOZE));
        }
        let message = match self.excerpt().await {
            excerpt if excerpt.is_empty() => format!("the URL answered {status}"),
            excerpt => format!("the URL answered {status}: {excerpt}"),
        };
        let error = if is_final(status) { JobError::permanent(message) } else { JobError::retry(message) };
        error.class("http_status")
    }

    /// The beginning of the body, as far as it arrives.
    async fn excerpt(&mut self) -> String {
        let mut body = Vec::new();
        while body.len() <= EXCERPT_BYTES {
            let Ok(Some(bytes)) = self.chunk().await else { break };
            body.extend_from_slice(&bytes);
        }
        truncated(storable_text(String::from_utf8_lossy(&body).trim().to_owned()), EXCERPT_BYTES)
    }

    async fn chunk(&mut self) -> Result<Option<impl AsRef<[u8]> + std::ops::Deref<Target = [u8]>>, JobError> {
        match tokio::time::timeout(self.spec.idle_timeout, self.response.chunk()).await {
            Ok(Ok(bytes)) => Ok(bytes),
            Ok(Err(error)) => Err(broken_off(&JobError::from(error.without_url()).to_string())),
            Err(_) => Err(silence(self.spec)),
        }
    }

    fn header(&self, name: reqwest::header::HeaderName) -> Option<String> {
        let value = self.response.headers().get(name)?;
        Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
    }
}

/// True if the last line of a stream, which has no line feed, is only the beginning of a message: a stream without a length
/// may end anywhere. A result beyond the limit is too large whether it is whole or not.
fn breaks_off(line: &Line) -> bool {
    if line.cut {
        return !names_result(&line.text);
    }
    line.text.trim_start().starts_with('{') && serde_json::from_str::<IgnoredAny>(&line.text).is_err()
}

/// True if calling again cannot help.
fn is_final(status: StatusCode) -> bool {
    const PASSING: [StatusCode; 4] = [
        StatusCode::REQUEST_TIMEOUT,
        StatusCode::TOO_EARLY,
        StatusCode::TOO_MANY_REQUESTS,
        // This status comes from a proxy, not from the URL.
        StatusCode::PROXY_AUTHENTICATION_REQUIRED,
    ];
    status.is_client_error() && !PASSING.contains(&status)
}

/// `Retry-After` is a number of seconds or a date.
#[must_use]
pub fn delay_of(value: &str, now: DateTime<Utc>) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = DateTime::parse_from_rfc2822(value).ok()?;
    Some((date.with_timezone(&Utc) - now).to_std().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = "1994-11-06T08:49:00Z".parse().unwrap();
        assert_eq!(delay_of(" 120 ", now), Some(Duration::from_mins(2)));
        assert_eq!(delay_of("Sun, 06 Nov 1994 08:49:37 GMT", now), Some(Duration::from_secs(37)));
        assert_eq!(delay_of("Sun, 06 Nov 1994 08:00:00 GMT", now), Some(Duration::ZERO));
        assert_eq!(delay_of("soon", now), None);
    }

    #[test]
    fn a_last_line_is_whole_or_breaks_off() {
        let breaks = |text: &str, cut| breaks_off(&Line { text: text.to_owned(), cut });
        let whole = r#"{"log":"a","n":[1.5,"ü"]}"#;
        for (at, _) in whole.char_indices().skip(1) {
            assert!(breaks(&whole[..at], false), "{}", &whole[..at]);
        }
        for text in [whole, r#"{"result":1e400}"#, " ", "done"] {
            assert!(!breaks(text, false), "{text}");
        }
        assert!(breaks(r#"{"log":"a"#, true) && !breaks(r#"{"result":"a"#, true));
    }

    #[test]
    fn most_refusals_are_final() {
        for (code, expected) in
            [(400, true), (404, true), (407, false), (408, false), (425, false), (429, false), (500, false)]
        {
            assert_eq!(is_final(StatusCode::from_u16(code).unwrap()), expected, "{code}");
        }
    }
}
