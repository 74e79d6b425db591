//! Formats times for people: "3m ago", "in 2h". Scripts get exact times with --json.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

/// A time of a JSON document relative to now; empty if it is null or no time.
pub(crate) fn relative(time: &Value) -> String {
    parse(time).map(|time| relative_to(Utc::now(), time)).unwrap_or_default()
}

/// How long it took from one time of a document to another, or is taking; empty if it has not begun.
pub(crate) fn lasted(from: &Value, to: &Value) -> String {
    let end = parse(to).unwrap_or_else(Utc::now);
    parse(from).map(|start| rough(end - start)).unwrap_or_default()
}

/// How long the last attempt of a job took, or is taking; empty while the job waits for the next one.
pub(crate) fn run_time(job: &Value) -> String {
    let has_attempt = job["state"] == "running" || !job["finished_at"].is_null();
    if has_attempt { lasted(&job["started_at"], &job["finished_at"]) } else { String::new() }
}

fn parse(time: &Value) -> Option<DateTime<Utc>> {
    time.as_str()?.parse().ok()
}

fn relative_to(now: DateTime<Utc>, time: DateTime<Utc>) -> String {
    let ago = now - time;
    match ago.num_seconds() {
        0 => "now".into(),
        1.. => format!("{} ago", rough(ago)),
        _ => format!("in {}", rough(-ago)),
    }
}

/// The two largest units that matter.
fn rough(span: TimeDelta) -> String {
    let seconds = span.num_seconds().max(0);
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match seconds {
        0 => format!("{}ms", span.num_milliseconds().max(0)),
        1..60 => format!("{seconds}s"),
        60..600 => format!("{minutes}m {}s", seconds % 60),
        600..3600 => format!("{minutes}m"),
        3600..86_400 => format!("{hours}h {}m", minutes % 60),
        _ => format!("{days}d {}h", hours % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_that_waits_takes_no_time() {
        let job = |state: &str, finished_at: Value| serde_json::json!({"state": state, "started_at": "2026-01-02T12:00:00Z", "finished_at": finished_at});
        assert_eq!(run_time(&job("available", Value::Null)), "");
        assert_eq!(run_time(&job("completed", "2026-01-02T12:00:05Z".into())), "5s");
        assert!(!run_time(&job("running", Value::Null)).is_empty());
    }

    #[test]
    fn times_are_rough() {
        let now: DateTime<Utc> = "2026-01-02T12:00:00Z".parse().unwrap();
        for (time, expected) in [
            ("2026-01-02T12:00:00Z", "now"),
            ("2026-01-02T11:59:30Z", "30s ago"),
            ("2026-01-02T11:55:30Z", "4m 30s ago"),
            ("2026-01-02T11:00:00Z", "1h 0m ago"),
            ("2026-01-02T12:20:30Z", "in 20m"),
            ("2026-01-05T13:00:00Z", "in 3d 1h"),
        ] {
            assert_eq!(relative_to(now, time.parse().unwrap()), expected);
        }
    }
}
