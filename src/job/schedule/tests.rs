//! Valid and invalid schedules, and their due times, through both changes of the clock.

use super::*;

fn time(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn cron(text: &str, timezone: &str) -> Times {
    Times { cron: Some(text.into()), timezone: timezone.into(), ..Times::default() }
}

fn every(seconds: i64) -> Times {
    Times { every: Some(TimeDelta::seconds(seconds)), timezone: "UTC".into(), ..Times::default() }
}

fn read(times: &Times) -> Timing {
    Timing::read(times, time("2026-01-01T00:00:00Z")).unwrap()
}

/// The next slots as UTC, without date where it is that of the start.
fn slots(text: &str, timezone: &str, after: &str, count: usize) -> Vec<String> {
    let slots = read(&cron(text, timezone)).upcoming(time(after), count);
    slots.iter().map(|slot| slot.format("%Y-%m-%dT%H:%M:%SZ").to_string()).collect()
}

#[test]
fn n1_patterns_fall_due_as_written() {
    for (text, expected) in [
        ("* * * * *", ["2026-01-01T00:01:00Z", "2026-01-01T00:02:00Z"]),
        ("*/10 * * * * *", ["2026-01-01T00:00:10Z", "2026-01-01T00:00:20Z"]),
        ("30 4 * * *", ["2026-01-01T04:30:00Z", "2026-01-02T04:30:00Z"]),
        ("0 9-10 * * mon-fri", ["2026-01-01T09:00:00Z", "2026-01-01T10:00:00Z"]),
        ("5-59/20 * * * *", ["2026-01-01T00:05:00Z", "2026-01-01T00:25:00Z"]),
        ("0 0 1,15 * *", ["2026-01-15T00:00:00Z", "2026-02-01T00:00:00Z"]),
        ("0 0 29 FEB *", ["2028-02-29T00:00:00Z", "2032-02-29T00:00:00Z"]),
        ("0 0 31 * *", ["2026-01-31T00:00:00Z", "2026-03-31T00:00:00Z"]),
        ("0 0 L * *", ["2026-01-31T00:00:00Z", "2026-02-28T00:00:00Z"]),
        ("0 0 * * FRI#2", ["2026-01-09T00:00:00Z", "2026-02-13T00:00:00Z"]),
        ("0 0 * * FRIL", ["2026-01-30T00:00:00Z", "2026-02-27T00:00:00Z"]),
        ("0 0 * * 7", ["2026-01-04T00:00:00Z", "2026-01-11T00:00:00Z"]),
        // As everywhere, a day of the month or of the week is enough where both are named.
        ("0 0 13 * FRI", ["2026-01-02T00:00:00Z", "2026-01-09T00:00:00Z"]),
        ("0 0 13 * +FRI", ["2026-02-13T00:00:00Z", "2026-03-13T00:00:00Z"]),
        ("0 0 15W 2-3 *", ["2026-02-16T00:00:00Z", "2026-03-16T00:00:00Z"]),
        ("@daily", ["2026-01-02T00:00:00Z", "2026-01-03T00:00:00Z"]),
        ("@hourly", ["2026-01-01T01:00:00Z", "2026-01-01T02:00:00Z"]),
    ] {
        assert_eq!(slots(text, "UTC", "2026-01-01T00:00:00Z", 2), expected, "{text}");
    }
}

#[test]
fn n1_what_is_no_schedule_is_named() {
    let began = std::time::Instant::now();
    let now = time("2026-01-01T00:00:00Z");
    for (text, what) in [
        ("", "has 0 fields"),
        ("* * * *", "has 4 fields"),
        ("0 0 1 1 * * 2030", "has 7 fields"),
        ("60 * * * *", "\"60\" is no minute"),
        ("* 24 * * *", "\"24\" is no hour"),
        ("* * 0 * *", "\"0\" is no day of month"),
        ("* * 32 * *", "\"32\" is no day of month"),
        ("* * * 13 *", "\"13\" is no month"),
        ("* * * * 8", "\"8\" is no day of week"),
        ("61 * * * * *", "\"61\" is no second"),
        ("MON * * * *", "\"MON\" is no minute"),
        ("* * JAN * *", "\"JAN\" is no day of month"),
        ("* * * FEBRUARY *", "\"FEBRUARY\" is no month"),
        ("* * * * MONDAY", "\"MONDAY\" is no day of week"),
        ("*/0 * * * *", "\"*/0\" is no minute"),
        ("30-10 * * * *", "\"30-10\" is no minute"),
        ("1,,2 * * * *", "\"1,,2\" is no minute"),
        (", * * * *", "\",\" is no minute"),
        ("-5 * * * *", "\"-5\" is no minute"),
        ("every day at noon now", "\"every\" is no minute"),
        ("@reboot", "is not a cron expression"),
        ("0 0 30 2 *", "never falls due"),
        ("0 0 31 4,6,9,11 *", "never falls due"),
        ("0 0 30 FEB *", "never falls due"),
        ("* * * 30 2 *", "never falls due"),
        ("* * 31 2 +MON", "never falls due"),
        ("0 0 30W 2 *", "never falls due"),
    ] {
        let unfit = Timing::ahead(&cron(text, "UTC"), now).expect_err(text);
        assert!(
            unfit.what.contains(what) && unfit.field == "cron" && !unfit.remedy.is_empty(),
            "{text}: {unfit}"
        );
    }
    let unfit = Timing::ahead(&cron("* * * * *", "Europe/Berlni"), now).unwrap_err();
    assert_eq!((unfit.field, unfit.remedy.as_str()), ("timezone", "Did you mean Europe/Berlin?"));
    assert_eq!(Timing::ahead(&cron("* * * * *", "Mars/Olympus_Mons"), now).unwrap_err().field, "timezone");
    assert_eq!(Timing::ahead(&every(0), now).unwrap_err().field, "every");
    assert_eq!(Timing::ahead(&Times { at: Some(now), ..cron("", "UTC") }, now).unwrap_err().field, "cron");
    let past = Times { at: Some(now), timezone: "UTC".into(), ..Times::default() };
    assert_eq!(Timing::ahead(&past, now).unwrap_err().field, "at");
    // Nobody can keep a server busy with what never comes.
    assert!(began.elapsed().as_secs() < 5, "{:?}", began.elapsed());
}

#[test]
fn n1_a_skipped_hour() {
    // Berlin, 29 March 2026: 02:00 becomes 03:00 at 01:00 UTC.
    let night = "2026-03-28T23:30:00Z";
    for (text, expected) in [
        ("30 2 * * *", ["2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"]),
        // Two times of the gap are one instant.
        ("0,30 2 * * *", ["2026-03-29T01:00:00Z", "2026-03-30T00:00:00Z"]),
        ("0 2,3 * * *", ["2026-03-29T01:00:00Z", "2026-03-30T00:00:00Z"]),
        ("30 1-3 * * *", ["2026-03-29T00:30:00Z", "2026-03-29T01:00:00Z"]),
        ("15 30 2 29 3 *", ["2026-03-29T01:00:00Z", "2027-03-29T00:30:15Z"]),
        // A rhythm goes on: the hour is not there.
        ("30 * * * *", ["2026-03-29T00:30:00Z", "2026-03-29T01:30:00Z"]),
        ("0 */2 * * *", ["2026-03-29T02:00:00Z", "2026-03-29T04:00:00Z"]),
        ("*/30 2 * * *", ["2026-03-30T00:00:00Z", "2026-03-30T00:30:00Z"]),
    ] {
        assert_eq!(slots(text, "Europe/Berlin", night, 2), expected, "{text}");
    }
    // Lord Howe skips half an hour: 02:00 becomes 02:30 on 4 October 2026, at 15:30 UTC the day before.
    let slots_there = slots("10 2 * * *", "Australia/Lord_Howe", "2026-10-03T00:00:00Z", 2);
    assert_eq!(slots_there, ["2026-10-03T15:30:00Z", "2026-10-04T15:10:00Z"]);
    // Samoa skipped 30 December 2011 whole.
    let samoa = slots("0 12 * * *", "Pacific/Apia", "2011-12-29T23:00:00Z", 2);
    assert_eq!(samoa, ["2011-12-30T10:00:00Z", "2011-12-30T22:00:00Z"]);
}

#[test]
fn n1_a_doubled_hour() {
    // Berlin, 25 October 2026: 03:00 becomes 02:00 at 01:00 UTC.
    let night = "2026-10-24T23:45:00Z";
    for (text, expected) in [
        ("30 2 * * *", ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]),
        ("30 2,3 * * *", ["2026-10-25T00:30:00Z", "2026-10-25T02:30:00Z"]),
        ("0 2-4 * * *", ["2026-10-25T00:00:00Z", "2026-10-25T02:00:00Z"]),
        ("30 * * * *", ["2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"]),
        ("*/30 2 * * *", ["2026-10-25T00:00:00Z", "2026-10-25T00:30:00Z"]),
    ] {
        assert_eq!(slots(text, "Europe/Berlin", night, 2), expected, "{text}");
    }
    // From within the second pass nothing of the first comes again.
    assert_eq!(slots("30 2 * * *", "Europe/Berlin", "2026-10-25T01:10:00Z", 1), ["2026-10-26T01:30:00Z"]);
    let quarter_hours = slots("*/15 * * * *", "Europe/Berlin", "2026-10-24T23:59:00Z", 12);
    let apart: Vec<_> = quarter_hours.windows(2).map(|pair| time(&pair[1]) - time(&pair[0])).collect();
    assert!(apart.iter().all(|apart| *apart == TimeDelta::minutes(15)), "{quarter_hours:?}");
}

#[test]
fn n1_each_schedule_has_its_own_zone() {
    for (zone, expected) in [
        ("UTC", "2026-07-01T09:00:00Z"),
        ("Europe/Berlin", "2026-07-01T07:00:00Z"),
        ("America/New_York", "2026-07-01T13:00:00Z"),
        ("Asia/Kathmandu", "2026-07-01T03:15:00Z"),
    ] {
        assert_eq!(slots("0 9 * * *", zone, "2026-07-01T00:00:00Z", 1), [expected], "{zone}");
    }
}

#[test]
fn n1_intervals_do_not_drift() {
    let timing = read(&every(90));
    assert_eq!(timing.after(time("2026-01-01T00:00:00Z")), Some(time("2026-01-01T00:01:30Z")));
    assert_eq!(timing.after(time("2026-01-01T00:01:30Z")), Some(time("2026-01-01T00:03:00Z")));
    assert_eq!(timing.after(time("2026-01-01T00:01:31.5Z")), Some(time("2026-01-01T00:03:00Z")));
    assert_eq!(timing.after(time("2025-12-31T23:59:59Z")), Some(time("2026-01-01T00:00:00Z")));
    let once = Times { at: Some(time("2026-05-05T05:05:05Z")), timezone: "UTC".into(), ..Times::default() };
    assert_eq!(read(&once).upcoming(time("2026-01-01T00:00:00Z"), 5), [time("2026-05-05T05:05:05Z")]);
}

#[test]
fn n2_what_was_missed_fires_as_the_policy_says() {
    let timing = read(&every(600));
    let first = time("2026-01-01T00:10:00Z");
    let plan = |now: &str, missed| Plan::of(&timing, first, time(now), missed);
    for missed in [Missed::Skip, Missed::One, Missed::All(3)] {
        // On time, and up to a minute late.
        for now in ["2026-01-01T00:10:00Z", "2026-01-01T00:11:00Z"] {
            let plan = plan(now, missed);
            assert_eq!((plan.passes_over, &plan.fire[..]), (false, &[first][..]), "{missed:?} {now}");
            assert_eq!(plan.next, Some(time("2026-01-01T00:20:00Z")));
        }
    }
    let later = "2026-01-01T01:05:00Z";
    let skip = plan(later, Missed::Skip);
    assert_eq!((skip.passes_over, skip.fire.len(), skip.next), (true, 0, Some(time("2026-01-01T01:10:00Z"))));
    let one = plan(later, Missed::One);
    assert_eq!((one.passes_over, &one.fire[..]), (true, &[time("2026-01-01T01:00:00Z")][..]));
    let all = plan(later, Missed::All(3)).fire;
    assert_eq!(all, ["00:40", "00:50", "01:00"].map(|clock| time(&format!("2026-01-01T{clock}:00Z"))));
    let all = plan(later, Missed::All(100));
    assert_eq!((all.passes_over, all.fire.len()), (false, 6));
    // With `skip` the slot that is on time fires all the same.
    let skip = plan("2026-01-01T01:00:30Z", Missed::Skip);
    assert_eq!((skip.passes_over, &skip.fire[..]), (true, &[time("2026-01-01T01:00:00Z")][..]));
}

#[test]
fn n2_a_year_of_missed_seconds_is_judged_at_once() {
    let timing = read(&every(1));
    let began = std::time::Instant::now();
    let plan =
        Plan::of(&timing, time("2025-01-01T00:00:00Z"), time("2026-01-01T00:00:00Z"), Missed::All(1000));
    assert_eq!(plan.fire.len(), 1000);
    assert_eq!(plan.fire[999], time("2026-01-01T00:00:00Z"));
    assert!(began.elapsed().as_secs() < 2, "{:?}", began.elapsed());
}
