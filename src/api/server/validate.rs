//! Checks single values in requests: names, durations, times, texts. Each error names the field and
//! the allowed values. Must never correct a value silently.

use std::time::Duration;

use chrono::{DateTime, Datelike, Utc};
use serde::Serialize;
use serde_json::Value;

use super::problem::{Problem, quoted};
use crate::job::limits::is_name;
pub use crate::job::limits::{LONGEST_DURATION, LONGEST_EXTENSION};
use crate::job::priority;

/// The longest tag, in characters.
const TAG_CHARACTERS: usize = 64;
/// The longest text of a duration, in bytes.
const DURATION_LIMIT: usize = 100;
const DURATION_RULE: &str = "Send text such as \"30s\", \"1h30m\" or \"2days\", or a number of seconds.";

/// A name of a kind, queue or worker.
///
/// # Errors
/// 422 unless it has 1 to 63 of the allowed characters.
pub fn name(field: &str, text: String) -> Result<String, Problem> {
    if is_name(&text) {
        return Ok(text);
    }
    let detail = format!("{} is not a name.", quoted(&text));
    Err(Problem::invalid(field, detail)
        .remedy("Use 1 to 63 ASCII letters, digits, '.', '_' and '-'; begin with a letter or digit."))
}

/// A text of 1 to `most` characters without control characters.
///
/// # Errors
/// 422 for anything else.
pub fn text(field: &str, text: String, most: usize) -> Result<String, Problem> {
    let length = text.chars().count();
    if (1..=most).contains(&length) && !text.chars().any(char::is_control) {
        return Ok(text);
    }
    let detail = match length {
        0 => "The text is empty.".to_owned(),
        _ if length > most => format!("The text has {length} characters."),
        _ => format!("{} holds control characters.", quoted(&text)),
    };
    Err(Problem::invalid(field, detail)
        .remedy(format!("Use 1 to {most} characters, none of them control characters.")))
}

/// A tag: 1 to 64 characters without control characters.
///
/// # Errors
/// 422 for anything else.
pub fn tag(field: &str, text: String) -> Result<String, Problem> {
    self::text(field, text, TAG_CHARACTERS)
}

/// A duration as text or as a number of seconds, at most `most`.
///
/// # Errors
/// 422 for anything else.
pub fn duration(field: &str, value: &Value, most: Duration) -> Result<Duration, Problem> {
    let parsed = match value {
        Value::String(text) if text.len() <= DURATION_LIMIT => humantime::parse_duration(text).ok(),
        Value::Number(number) => {
            number.as_f64().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        }
        _ => None,
    };
    let Some(duration) = parsed else {
        let shown = shown(value);
        return Err(Problem::invalid(field, format!("{shown} is not a duration.")).remedy(DURATION_RULE));
    };
    if duration > most {
        let most = humantime::format_duration(most);
        let detail = format!("{} is longer than {most}.", humantime::format_duration(duration));
        return Err(Problem::invalid(field, detail).remedy(format!("Use at most {most}.")));
    }
    Ok(duration)
}

/// A duration longer than nothing.
///
/// # Errors
/// 422 for zero and for what [`duration`] refuses.
pub fn positive_duration(field: &str, value: &Value, most: Duration) -> Result<Duration, Problem> {
    let duration = duration(field, value, most)?;
    if duration.is_zero() {
        return Err(
            Problem::invalid(field, "The duration is zero.").remedy("Use a duration longer than zero.")
        );
    }
    Ok(duration)
}

/// A duration in the query, such as `wait=30s`; a bare number is seconds.
///
/// # Errors
/// As [`duration`].
pub fn query_duration(field: &str, text: &str, most: Duration) -> Result<Duration, Problem> {
    let value =
        text.parse::<f64>().ok().and_then(|seconds| serde_json::Number::from_f64(seconds).map(Value::Number));
    duration(field, &value.unwrap_or_else(|| text.into()), most)
}

/// A moment with its offset from UTC, of the years 2000 to 2199.
///
/// # Errors
/// 422 for anything else.
pub fn time(field: &str, text: &str) -> Result<DateTime<Utc>, Problem> {
    let parsed = DateTime::parse_from_rfc3339(text).map(|time| time.with_timezone(&Utc));
    match parsed {
        Ok(time) if (2000..2200).contains(&time.year()) => Ok(time),
        Ok(_) => Err(Problem::invalid(field, format!("{} is too far away.", quoted(text)))
            .remedy("Use a time between the years 2000 and 2199.")),
        Err(_) => Err(Problem::invalid(field, format!("{} is not a time with an offset.", quoted(text)))
            .remedy("Send RFC 3339 with an offset, such as \"2030-01-31T08:00:00Z\" or \"…+01:00\".")),
    }
}

/// A priority: 1 (first) to 9, or its name.
///
/// # Errors
/// 422 for anything else.
pub fn priority(field: &str, value: &Value) -> Result<i16, Problem> {
    let number = match value {
        Value::Number(number) => number.as_i64().and_then(|number| i16::try_from(number).ok()),
        Value::String(name) => priority::named(name),
        _ => None,
    };
    number.filter(|number| (1..=9).contains(number)).ok_or_else(|| {
        Problem::invalid(field, format!("{} is not a priority.", shown(value)))
            .remedy("Use 1 (first) to 9 (last), or \"critical\", \"high\", \"normal\", \"low\".")
    })
}

/// A number within bounds.
///
/// # Errors
/// 422 outside of them.
pub fn within(field: &str, number: i64, least: i32, most: i32) -> Result<i32, Problem> {
    let found = i32::try_from(number).ok().filter(|number| (least..=most).contains(number));
    found.ok_or_else(|| {
        Problem::invalid(field, format!("{number} is out of bounds."))
            .remedy(format!("Use {least} to {most}."))
    })
}

/// How long a value is as JSON, in bytes.
pub fn json_bytes(value: &impl Serialize) -> usize {
    struct Counter(usize);
    impl std::io::Write for Counter {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut counter = Counter(0);
    match serde_json::to_writer(&mut counter, value) {
        Ok(()) => counter.0,
        Err(_) => usize::MAX,
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => quoted(text),
        Value::Array(_) => "An array".into(),
        Value::Object(_) => "An object".into(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names() {
        for good in ["a", "7", "build-crate", "a.b_c-D9", &"x".repeat(63)] {
            assert_eq!(name("/kind", good.into()).unwrap(), good);
        }
        for bad in
            ["", "-a", ".a", "a b", "a/b", "a\r\nb", "ü", "a\u{202e}", &"x".repeat(64), "a'; drop table jobs"]
        {
            assert!(name("/kind", bad.into()).is_err(), "{bad}");
        }
    }

    #[test]
    fn durations() {
        let parse = |value: Value| duration("/delay", &value, LONGEST_DURATION);
        assert_eq!(parse(json!("2s")).unwrap(), Duration::from_secs(2));
        assert_eq!(parse(json!("1h30m")).unwrap(), Duration::from_mins(90));
        assert_eq!(parse(json!(1.5)).unwrap(), Duration::from_millis(1500));
        assert_eq!(parse(json!(0)).unwrap(), Duration::ZERO);
        for bad in
            [json!("tomorrow"), json!(""), json!("5"), json!("-1s"), json!(-1), json!(1e300), json!("99999y")]
        {
            assert!(parse(bad.clone()).is_err(), "{bad}");
        }
        for bad in [json!(null), json!([1]), json!({}), json!(true)] {
            assert!(parse(bad.clone()).is_err(), "{bad}");
        }
        assert!(positive_duration("/soft_timeout", &json!(0), LONGEST_DURATION).is_err());
        assert_eq!(query_duration("wait", "10s", LONGEST_DURATION).unwrap(), Duration::from_secs(10));
        assert_eq!(query_duration("wait", "2.5", LONGEST_DURATION).unwrap(), Duration::from_millis(2500));
        for bad in ["nan", "inf", "-1", "1e300", ""] {
            assert!(query_duration("wait", bad, LONGEST_DURATION).is_err(), "{bad}");
        }
    }

    #[test]
    fn times() {
        assert_eq!(
            time("/run_at", "2030-01-31T08:00:00+01:00").unwrap().to_rfc3339(),
            "2030-01-31T07:00:00+00:00"
        );
        for bad in
            ["tomorrow", "2030-01-31", "2030-01-31T08:00:00", "1999-12-31T23:59:59Z", "2200-01-01T00:00:00Z"]
        {
            assert!(time("/run_at", bad).is_err(), "{bad}");
        }
        assert!(time("/run_at", "+262143-01-01T00:00:00Z").is_err());
    }

    #[test]
    fn priorities() {
        assert_eq!(priority("/priority", &json!("critical")).unwrap(), 1);
        assert_eq!(priority("/priority", &json!("HIGH")).unwrap(), 3);
        assert_eq!(priority("/priority", &json!(9)).unwrap(), 9);
        for bad in [json!(0), json!(10), json!(99), json!(1.5), json!("urgent"), json!([]), json!(1e300)] {
            assert!(priority("/priority", &bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn texts() {
        assert!(text("/execution_id", "order/42 ü".into(), 255).is_ok());
        for bad in ["", "a\r\nb", "\u{1b}[31m", &"é".repeat(256)] {
            assert!(text("/execution_id", bad.into(), 255).is_err());
        }
        assert_eq!(json_bytes(&json!({"a": "é"})), 10);
    }
}
