//! The bodies that POST /jobs accepts, and a table of malicious bodies with the field that each
//! error must name.

use serde_json::json;

use super::*;

const MAX_ARGS: usize = 1000;

fn rules() -> ArgsRules {
    ArgsRules::new(MAX_ARGS)
}

fn read(text: &[u8]) -> Result<NewJob, Problem> {
    read_one(text, &rules())
}

fn refusal(text: &[u8]) -> (u16, String) {
    let document = read(text).expect_err(&String::from_utf8_lossy(&text[..text.len().min(200)])).document();
    let size = serde_json::to_vec(&document).unwrap().len();
    assert!(size < 2000 && !document.remedy.is_empty(), "{document:?}");
    (document.status, document.field.unwrap_or_default())
}

#[test]
fn the_least_job_has_defaults() {
    let job = read(br#"{"kind":"echo"}"#).unwrap();
    assert_eq!(job, NewJob { id: job.id, ..NewJob::new("echo", Map::new()) });
    assert_eq!(read(br#"{"kind":"echo","args":null,"queue":null}"#).unwrap().args, Map::new());
}

#[test]
fn a_full_job_keeps_every_value() {
    let body = json!({
        "kind": "build-crate", "args": {"a": [1, "ü", null]}, "queue": "builds", "priority": "high", "delay": "1h30m",
        "max_attempts": 3, "soft_timeout": 50, "hard_timeout": "1h", "execution_id": "order/42",
        "tags": ["x", "y"], "metadata": {"m": 1}, "retain": "7days"
    });
    let job = read(&serde_json::to_vec(&body).unwrap()).unwrap();
    assert_eq!(
        (job.kind.as_str(), job.queue.as_deref(), job.priority),
        ("build-crate", Some("builds"), Some(3))
    );
    assert_eq!(Value::Object(job.args), body["args"]);
    assert_eq!((job.delay, job.run_at), (Some(Duration::from_mins(90)), None));
    assert_eq!(job.soft_timeout, Some(Duration::from_secs(50)));
    assert_eq!(job.hard_timeout, Some(Duration::from_hours(1)));
    assert_eq!((job.max_attempts, job.execution_id.as_deref()), (Some(3), Some("order/42")));
    assert_eq!((job.tags.len(), job.metadata.unwrap().len()), (2, 1));
    assert_eq!(job.retain, Some(Duration::from_hours(7 * 24)));
}

#[test]
fn every_bad_value_is_named() {
    let cases = [
        (json!({}), ""),
        (json!([]), ""),
        (json!("x"), ""),
        (json!({"args": {}}), ""),
        (json!({"kind": ""}), "/kind"),
        (json!({"kind": 7}), "/kind"),
        (json!({"kind": null}), "/kind"),
        (json!({"kind": "a\r\nSet-Cookie: x"}), "/kind"),
        (json!({"kind": "../../etc/passwd"}), "/kind"),
        (json!({"kind": "x".repeat(1_000_000)}), "/kind"),
        (json!({"args": [1]}), "/args"),
        (json!({"args": "text"}), "/args"),
        (json!({"queue": "a b"}), "/queue"),
        (json!({"queue": "'; drop table jobs; --"}), "/queue"),
        (json!({"priority": 99}), "/priority"),
        (json!({"priority": "urgent"}), "/priority"),
        (json!({"priority": {}}), "/priority"),
        (json!({"run_at": "tomorrow"}), "/run_at"),
        (json!({"run_at": "2030-01-01T00:00:00"}), "/run_at"),
        (json!({"run_at": "9999-12-31T23:59:59Z"}), "/run_at"),
        (json!({"run_at": 1_700_000_000}), "/run_at"),
        (json!({"delay": "soon"}), "/delay"),
        (json!({"delay": -1}), "/delay"),
        (json!({"delay": 1e300}), "/delay"),
        (json!({"delay": "1s", "run_at": "2030-01-01T00:00:00Z"}), "/delay"),
        (json!({"max_attempts": 0}), "/max_attempts"),
        (json!({"max_attempts": 1001}), "/max_attempts"),
        (json!({"max_attempts": 2.5}), "/max_attempts"),
        (json!({"max_attempts": u64::MAX}), "/max_attempts"),
        (json!({"soft_timeout": "0s"}), "/soft_timeout"),
        (json!({"hard_timeout": "31days"}), "/hard_timeout"),
        (json!({"soft_timeout": "2s", "hard_timeout": "2s"}), "/soft_timeout"),
        (json!({"execution_id": ""}), "/execution_id"),
        (json!({"execution_id": "a\r\nb"}), "/execution_id"),
        (json!({"execution_id": "é".repeat(256)}), "/execution_id"),
        (json!({"tags": "t"}), "/tags"),
        (json!({"tags": vec!["t"; 21]}), "/tags"),
        (json!({"tags": ["ok", ""]}), "/tags/1"),
        (json!({"tags": ["ok", 1]}), "/tags/1"),
        (json!({"tags": ["x".repeat(65)]}), "/tags/0"),
        (json!({"metadata": []}), "/metadata"),
        (json!({"metadata": {"m": "x".repeat(16 * 1024)}}), "/metadata"),
        (json!({"retain": "for ever"}), "/retain"),
        (json!({"colour": 1}), "/colour"),
        (json!({"kind": "a", "unique": 1}), "/unique"),
        (json!({"after": ["x"]}), "/after/0"),
        (json!({"callback_url": "http://localhost"}), "/callback_url"),
        (json!({"id": "00000000-0000-0000-0000-000000000000"}), "/id"),
        (json!({"state": "completed"}), "/state"),
    ];
    for (mut body, field) in cases {
        if let Value::Object(fields) = &mut body
            && !field.is_empty()
        {
            fields.entry("kind").or_insert(json!("echo"));
        }
        let text = serde_json::to_vec(&body).unwrap();
        assert_eq!(
            refusal(&text),
            (422, field.to_owned()),
            "{}",
            String::from_utf8_lossy(&text[..text.len().min(100)])
        );
    }
}

#[test]
fn malicious_bytes_are_refused() {
    let deep =
        [br#"{"kind":"echo","args":{"a":"#.as_slice(), &b"[".repeat(50_000), &b"]".repeat(50_000), b"}}"]
            .concat();
    let wide = format!(r#"{{"kind":"echo","args":{{"a":[{}1]}}}}"#, "1,".repeat(100_000));
    let cases: &[(&[u8], u16, &str)] = &[
        (&deep, 422, &format!("/args/a{}", "/0".repeat(62))),
        (wide.as_bytes(), 422, "/args/a/99996"),
        (br#"{"kind":"echo","args":{"a":"\ud800"}}"#, 422, "/args/a"),
        (br#"{"kind":"echo","args":{"\udfff":1}}"#, 422, r"/args/\udfff"),
        (br#"{"kind":"echo","args":{"a":"\u0000"}}"#, 422, "/args/a"),
        (br#"{"kind":"ec\u0000ho"}"#, 422, "/kind"),
        (b"{\"kind\":\"echo\",\"args\":{\"a\":\"\0\"}}", 422, "/args/a"),
        (b"{\"kind\":\"echo\",\"args\":{\"a\":\"\xc3\x28\"}}", 422, "/args/a"),
        (br#"{"kind":"echo","args":{"a":1e400}}"#, 422, "/args/a"),
        (br#"{"kind":"echo","args":{"a":-1e999}}"#, 422, "/args/a"),
        (br#"{"kind":"echo","args":{"a":99999999999999999999}}"#, 422, "/args/a"),
        (br#"{"kind":"echo","kind":"other"}"#, 422, "/kind"),
        (br#"{"kind":"echo","args":{"a":NaN}}"#, 400, ""),
        (br#"{"kind":"echo","args":{"a":0x10}}"#, 400, ""),
        (b"\xef\xbb\xbf{\"kind\":\"echo\"}", 400, ""),
        (b"\xff\xfe{\0", 422, ""),
        (b"{not json", 400, ""),
        (br#"{"kind":"echo"}{"kind":"echo"}"#, 400, ""),
        (br#"{"kind":"echo",}"#, 400, ""),
        (b"{'kind':'echo'}", 400, ""),
    ];
    for (text, status, field) in cases {
        assert_eq!(refusal(text), (*status, (*field).to_owned()));
    }
}

#[test]
fn large_args_are_too_large() {
    let body = |length: usize| format!(r#"{{"kind":"echo","args":{{"a":"{}"}}}}"#, "x".repeat(length));
    assert!(read(body(900).as_bytes()).is_ok());
    assert_eq!(refusal(body(1001).as_bytes()), (413, "/args".into()));
}

#[test]
fn hostile_but_valid_text_is_kept_as_it_is() {
    let text = r#"{"kind":"echo","args":{"a":"<script>alert(1)</script> \u202e \ud83d\ude00 \r\n\u001b[31m","__proto__":1}}"#;
    let job = read(text.as_bytes()).unwrap();
    assert_eq!(job.args["a"], "<script>alert(1)</script> \u{202e} 😀 \r\n\u{1b}[31m");
}

#[test]
fn each_item_of_a_batch_stands_for_itself() {
    let body =
        br#"[{"kind":"a"}, {"kind":"b","args":{"x":"\ud800"}}, {"kind":"c","colour":1}, 7, {"kind":"e"}]"#;
    let items = read_batch(body, &rules()).unwrap();
    let names: Vec<_> = items
        .iter()
        .map(|item| match item {
            Ok(job) => job.kind.clone(),
            Err(problem) => problem.document().field.unwrap_or_default(),
        })
        .collect();
    assert_eq!(names, ["a", "/1/args/x", "/2/colour", "/3", "e"]);
    for bad in [&b"[]"[..], b"{}", b"7", b"[1,", b"", b"null"] {
        assert!(read_batch(bad, &rules()).is_err());
    }
    let many = |count: usize| format!("[{}]", vec![r#"{"kind":"a"}"#; count].join(",")).into_bytes();
    assert_eq!(read_batch(&many(10_000), &rules()).unwrap().len(), 10_000);
    assert!(read_batch(&many(10_001), &rules()).is_err());
}
