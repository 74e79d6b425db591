//! Parses JSON, and turns the parser's errors into problems that name the place and the remedy.

use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::error::Category;
use serde_json::value::RawValue;
use serde_path_to_error::{Path, Segment};

use super::objects::Objects;
use super::scan;
use crate::api::server::problem::{Case, Problem};

/// The longest part of a parser's own message that is passed on, in characters.
const MESSAGE_LIMIT: usize = 300;

/// Reads a value from a JSON text.
///
/// # Errors
/// 400 for broken JSON, with line and column; 422 naming the field for everything else.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    refuse_what_is_no_text(bytes)?;
    scan::scan(bytes).map_err(|finding| {
        let (what, remedy) = finding.flaw.words();
        let place = if finding.pointer.is_empty() { "The body" } else { finding.pointer.as_str() };
        Problem::invalid(finding.pointer.clone(), format!("{place} {what}.")).remedy(remedy)
    })?;
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let Ok(value) = T::deserialize(Objects(&mut deserializer)) else { return Err(flaw_of::<T>(bytes)) };
    deserializer.end().map_err(|error| refused(&error, String::new()))?;
    Ok(value)
}

/// Why a text is no such value. It is read once more, because to note the path of each value costs as much as to
/// read it.
fn flaw_of<T: DeserializeOwned>(bytes: &[u8]) -> Problem {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    match serde_path_to_error::deserialize::<_, T>(Objects(&mut deserializer)) {
        Ok(_) => Problem::internal(&"a text that was refused can be read"),
        Err(error) => refused(error.inner(), pointer(error.path())),
    }
}

/// Splits an array of 1 to `most` items without looking into them.
///
/// # Errors
/// 400 for broken JSON, 422 for something else than such an array.
pub fn split(bytes: &[u8], most: usize) -> Result<Vec<&RawValue>, Problem> {
    refuse_what_is_no_text(bytes)?;
    if bytes.iter().find(|byte| !byte.is_ascii_whitespace()).is_some_and(|byte| *byte == b'{') {
        let problem = Problem::invalid("", "The body is an object where an array is needed.");
        return Err(problem.remedy("Send an array of jobs, or POST one job to /api/v1/jobs."));
    }
    let items: Vec<&RawValue> =
        serde_json::from_slice(bytes).map_err(|error| refused(&error, String::new()))?;
    if items.is_empty() || items.len() > most {
        let problem =
            Problem::invalid("", format!("The array has {} items; 1 to {most} are allowed.", items.len()));
        return Err(problem.remedy("Send several smaller arrays."));
    }
    Ok(items)
}

fn refuse_what_is_no_text(bytes: &[u8]) -> Result<(), Problem> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(Problem::new(Case::InvalidJson, "The body is empty."));
    }
    if bytes.starts_with(b"\xef\xbb\xbf") {
        let problem =
            Problem::new(Case::InvalidJson, "The body begins with a byte-order mark, which is not JSON.");
        return Err(problem.remedy("Send UTF-8 without a byte-order mark."));
    }
    Ok(())
}

fn refused(error: &serde_json::Error, pointer: String) -> Problem {
    let (line, column) = (error.line(), error.column());
    let text = error.to_string();
    let message = text.rfind(" at line ").map_or(text.as_str(), |end| &text[..end]);
    match error.classify() {
        Category::Data => unfit(message, pointer),
        Category::Syntax | Category::Eof | Category::Io => {
            Problem::new(Case::InvalidJson, format!("Line {line}, column {column}: {}.", shortened(message)))
                .member("line", line)
                .member("column", column)
        }
    }
}

/// Reads a part of a body at `place`.
///
/// # Errors
/// 422 naming the field if it is not what it must be.
pub(in crate::api) fn part<T: DeserializeOwned>(value: Value, place: &str) -> Result<T, Problem> {
    serde_path_to_error::deserialize(Objects(value)).map_err(|error| {
        let field = format!("{place}{}", pointer(error.path()));
        unfit(&error.into_inner().to_string(), field)
    })
}

/// Turns serde's message into a problem: the text after "expected" is the remedy.
fn unfit(message: &str, field: String) -> Problem {
    let place = if field.is_empty() { String::new() } else { format!("{field}: ") };
    let (what, expected) = message.split_once(", expected ").unwrap_or((message, ""));
    let problem = Problem::invalid(field, format!("{place}{}.", shortened(what)));
    match expected {
        "" => problem,
        _ if what.starts_with("unknown field") => {
            problem.remedy(format!("Leave it out, or use {}.", shortened(expected)))
        }
        _ => problem.remedy(format!("Send {}.", shortened(&in_words(expected)))),
    }
}

/// Replaces names of Rust types in serde's message with words that callers know.
fn in_words(expected: &str) -> String {
    let is_number = |letters: &[char]| {
        let bits = expected.strip_prefix(letters).unwrap_or_default();
        bits == "size" || !bits.is_empty() && bits.bytes().all(|byte| byte.is_ascii_digit())
    };
    match expected {
        _ if is_number(&['i', 'u']) => format!("a whole number ({expected})"),
        _ if is_number(&['f']) => format!("a number ({expected})"),
        "a boolean" => "true or false".into(),
        "a map" => "an object".into(),
        "a sequence" => "an array".into(),
        _ if expected.starts_with("struct ") => "an object".into(),
        other => other.into(),
    }
}

/// A message with its control characters escaped and its length bounded.
pub(super) fn shortened(message: &str) -> String {
    let mut short = String::new();
    for character in message.chars().take(MESSAGE_LIMIT) {
        if character.is_control() { short.extend(character.escape_default()) } else { short.push(character) }
    }
    if message.chars().nth(MESSAGE_LIMIT).is_some() {
        short.push('…');
    }
    short
}

fn pointer(path: &Path) -> String {
    let mut pointer = String::new();
    for segment in path {
        match segment {
            Segment::Seq { index } => scan::push_key(&mut pointer, &index.to_string()),
            Segment::Map { key } => scan::push_key(&mut pointer, key),
            Segment::Enum { .. } | Segment::Unknown => {}
        }
    }
    pointer
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Shape {
        #[expect(dead_code, reason = "only its type matters")]
        name: String,
        #[expect(dead_code, reason = "only its type matters")]
        numbers: Option<Vec<u8>>,
    }

    #[test]
    fn a_struct_is_read_from_an_object_alone() {
        #[derive(Debug, Deserialize)]
        struct Outer {
            #[expect(dead_code, reason = "only its type matters")]
            inner: Option<Vec<Shape>>,
        }
        assert_eq!(parse::<Shape>(br#"["a",[1]]"#).unwrap_err().document().status, 422);
        assert!(parse::<Outer>(br#"{"inner":[{"name":"a"}]}"#).is_ok());
        let document = parse::<Outer>(br#"{"inner":[{"name":"a"},["b",null]]}"#).unwrap_err().document();
        assert_eq!((document.status, document.field.as_deref()), (422, Some("/inner/1")));
        assert_eq!(document.remedy, "Send an object.");
    }

    fn problem(text: &[u8]) -> (u16, String, String, String) {
        let document = parse::<Shape>(text).unwrap_err().document();
        (document.status, document.field.unwrap_or_default(), document.detail, document.remedy)
    }

    #[test]
    fn broken_json_is_located() {
        for text in [
            &b"{not json"[..],
            b"{\"name\":",
            b"{\"name\":\"a\"} x",
            b"{\"name\":\"a\",}",
            b"\xef\xbb\xbf{}",
            b"",
            b" \n",
        ] {
            let (status, ..) = problem(text);
            assert_eq!(status, 400, "{}", String::from_utf8_lossy(text));
        }
        assert!(problem(b"{\n  \"name\": nope}").2.starts_with("Line 2, column 12"));
    }

    #[test]
    fn what_does_not_fit_is_named_with_what_is_allowed() {
        let (status, field, detail, remedy) = problem(br#"{"name":"a","colour":1}"#);
        assert_eq!((status, field.as_str()), (422, "/colour"));
        assert!(
            detail.contains("unknown field `colour`") && remedy.contains("`numbers`"),
            "{detail} {remedy}"
        );
        let (status, field, detail, remedy) = problem(br#"{"name":"a","numbers":[1,"two"]}"#);
        assert_eq!((status, field.as_str()), (422, "/numbers/1"));
        assert!(detail.contains("string \"two\"") && remedy.contains("u8"), "{detail} {remedy}");
        assert_eq!(remedy, "Send a whole number (u8).");
        assert_eq!(problem(br#"{"name":"a","numbers":1}"#).3, "Send an array.");
        assert_eq!(problem(b"1").3, "Send an object.");
        assert_eq!(problem(br#"{"name":"a","numbers":[300]}"#).1, "/numbers/0");
        assert!(problem(b"{}").2.contains("missing field `name`"));
        assert_eq!(problem(b"[]").0, 422);
    }

    #[test]
    fn a_problem_never_repeats_much_of_the_input() {
        let text = format!(r#"{{"name":"a","numbers":"{}"}}"#, "x\\n".repeat(100_000));
        let (status, _, detail, _) = problem(text.as_bytes());
        assert!(status == 422 && detail.len() < 1000 && !detail.contains('\n'), "{detail}");
    }

    #[test]
    fn a_batch_is_split_without_reading_its_items() {
        let text =
            [b"[{\"a\":\"\\ud800\"}, 1e400 ,".as_slice(), &b"[".repeat(50_000), &b"]".repeat(50_000), b"]"];
        let text = text.concat();
        assert_eq!(split(&text, 10).unwrap().len(), 3);
        assert_eq!(split(b"[1,2,3]", 2).unwrap_err().case(), Case::InvalidRequest);
        assert_eq!(split(b"[]", 2).unwrap_err().case(), Case::InvalidRequest);
        assert_eq!(split(b" {}", 2).unwrap_err().case(), Case::InvalidRequest);
        assert_eq!(split(b"[1,", 2).unwrap_err().case(), Case::InvalidJson);
    }
}
