//! Schedules and alert rules of the config.

use std::time::Duration;

use super::load;

#[test]
fn schedules_are_read_with_the_jobs_that_they_make() {
    let toml = r#"
        [schedules.nightly]
        cron = "30 4 * * *"
        timezone = "Europe/Berlin"
        kind = "report"
        args = { days = 1, Deep = { list = [1.5, "x", true] } }
        priority = "high"
        overlap = "queue"
        jitter = "90s"
        [schedules.often]
        every = "90s"
        kind = "report"
    "#;
    let variables = [
        ("TIDEMILL_SCHEDULES__OFTEN__ARGS", r#"{"a": 1}"#),
        ("TIDEMILL_SCHEDULES__ONCE__AT", "2020-01-31T08:00:00+01:00"),
        ("TIDEMILL_SCHEDULES__ONCE__KIND", "report"),
    ];
    let config = load(toml, &variables).unwrap();
    let nightly = &config.schedules["nightly"];
    assert_eq!(
        (nightly.times.cron.as_deref(), &*nightly.times.timezone),
        (Some("30 4 * * *"), "Europe/Berlin")
    );
    assert_eq!(
        (nightly.overlap.as_str(), nightly.missed.as_str(), nightly.jitter.as_secs()),
        ("queue", "one", 90)
    );
    let args = serde_json::json!({"days": 1, "Deep": {"list": [1.5, "x", true]}});
    assert_eq!(nightly.job, serde_json::json!({"kind": "report", "args": args, "priority": 3}));
    assert_eq!(config.schedules["often"].job["args"], serde_json::json!({"a": 1}));
    assert_eq!(config.schedules["once"].times.at.unwrap().to_rfc3339(), "2020-01-31T07:00:00+00:00");
}

#[test]
fn a_schedule_that_never_fires_stops_the_start() {
    for (keys, key, message) in [
        ("every = '1h'", "schedules.s.kind", "is missing"),
        ("kind = 'k'", "schedules.s.cron", "exactly one"),
        ("kind = 'k'\ncron = '* 25 * * *'", "schedules.s.cron", "is no hour"),
        ("kind = 'k'\ncron = '0 0 30 2 *'", "schedules.s.cron", "never falls due"),
        ("kind = 'k'\ncron = '@daily'\ntimezone = 'Berlin'", "schedules.s.timezone", "not a time zone"),
        ("kind = 'k'\nevery = '10ms'", "schedules.s.every", "from 1s to 3650d"),
        ("kind = 'k'\nevery = '1h'\noverlap = 'kill'", "schedules.s.overlap", "skip, queue, allow or cancel"),
        ("kind = 'k'\nevery = '1h'\nargs = [1]", "schedules.s.args", "a table"),
        ("kind = 'k'\nevery = '1h'\nover_lap = 'skip'", "schedules.s.over_lap", "did you mean overlap?"),
    ] {
        let error = load(&format!("[schedules.s]\n{keys}"), &[]).unwrap_err();
        assert!(error.contains(key) && error.contains(message), "{keys}: {error}");
    }
}

#[test]
fn alerts_are_read_and_those_that_make_no_sense_stop_the_start() {
    let toml = r#"
        [queues.bursts]
        max_queued = 100
        [alerting]
        secret = "whsec_c2VjcmV0"
        [alerts.errors]
        condition = "error_rate"
        above = 0.1
        over = "1h"
        email = ["ops@example.org"]
    "#;
    let config = load(toml, &[("TIDEMILL_ALERTS__ERRORS__ABOVE", "0.2")]).unwrap();
    let errors = &config.alerts["errors"];
    assert_eq!((errors.condition.word(), errors.over), ("error_rate", Duration::from_hours(1)));
    assert!((errors.above - 0.2).abs() < f64::EPSILON);
    assert_eq!(config.queues["bursts"].max_queued, Some(100));
    assert!(!format!("{:?}", config.alerting).contains("c2VjcmV0"), "secrets hide themselves");
    for (keys, key, message) in [
        ("above = 1", "alerts.a.condition", "is missing; allowed: error_rate, average_time"),
        ("condition = 'moods'", "alerts.a.condition", "no_worker"),
        ("condition = 'error_rate'\nabove = 3", "alerts.a.above", "below 1"),
        ("condition = 'no_worker'\nkind = 'k'", "alerts.a.kind", "does not apply"),
        ("condition = 'no_worker'\nover = '1s'", "alerts.a.over", "from 1m to 14d"),
        ("condition = 'no_worker'\nwebhook = 'x'", "alerts.a.webhook", "https://"),
        ("condition = 'no_worker'\nhold_for = '1m'", "alerts.a.hold_for", "did you mean hold?"),
    ] {
        let error = load(&format!("[alerts.a]\n{keys}"), &[]).unwrap_err();
        assert!(error.contains(key) && error.contains(message), "{keys}: {error}");
    }
}
