//! One cheap pass over the raw bytes of a JSON text before anything is built from it: finds values
//! that are too deep, too many, or cannot be stored unchanged, with their places. Must never judge
//! grammar; the parser does that afterwards.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt::Write;

use crate::job::number::is_kept;

/// The deepest nesting of arrays and objects.
pub(crate) const MAX_DEPTH: usize = 64;
/// The most values in one text.
pub(crate) const MAX_VALUES: usize = 100_000;
/// How many keys of an object are compared one by one.
const FEW_KEYS: usize = 32;
/// The longest reported JSON pointer, in bytes.
const MAX_POINTER: usize = 300;

/// The flaw of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flaw {
    TooDeep,
    TooManyValues,
    InvalidUtf8,
    Nul,
    LoneSurrogate,
    DuplicateKey,
    NumberTooLarge,
    LosesDigits,
}

impl Flaw {
    /// The description and the remedy.
    pub(crate) const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::TooDeep => ("is nested deeper than 64 levels", "Flatten the value."),
            Self::TooManyValues => {
                ("is past the limit of 100000 values", "Store the data elsewhere and pass a reference.")
            }
            Self::InvalidUtf8 => {
                ("holds bytes that are not UTF-8", "Encode the text as UTF-8; send binary data as base64.")
            }
            Self::Nul => {
                ("holds the character NUL, which cannot be stored", "Remove it; send binary data as base64.")
            }
            Self::LoneSurrogate => (
                "holds half of a surrogate pair, which is not a character",
                "Send both halves, or the character itself.",
            ),
            Self::DuplicateKey => ("appears twice as a key of its object", "Send every key once."),
            Self::NumberTooLarge => ("is a number too large to be stored", "Send it as a string."),
            Self::LosesDigits => (
                "is a number with more digits than a 64-bit integer or a double can keep",
                "Send it as a string.",
            ),
        }
    }
}

/// A flaw and the JSON pointer of the value that has it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    pub flaw: Flaw,
    pub pointer: String,
}

/// Looks through a JSON text.
pub(crate) fn scan(bytes: &[u8]) -> Result<(), Finding> {
    let valid_bytes = std::str::from_utf8(bytes).map_or_else(|error| error.valid_up_to(), str::len);
    let mut scanner = Scanner { bytes: &bytes[..valid_bytes], at: 0, frames: Vec::new(), values: 0 };
    let flaw = match scanner.run() {
        Err(flaw) => flaw,
        Ok(()) if valid_bytes < bytes.len() => Flaw::InvalidUtf8,
        Ok(()) => return Ok(()),
    };
    Err(Finding { flaw, pointer: scanner.pointer() })
}

/// An array or object that is open at the scanner's position.
enum Frame<'a> {
    Array { index: usize },
    Object { key: &'a [u8], key_is_next: bool, seen: Seen<'a> },
}

/// The keys of an object so far. Few are compared one by one, which costs less than to hash them.
#[derive(Default)]
struct Seen<'a> {
    few: Vec<Cow<'a, [u8]>>,
    many: HashSet<Cow<'a, [u8]>>,
}

impl<'a> Seen<'a> {
    /// False if the key is there.
    fn insert(&mut self, key: Cow<'a, [u8]>) -> bool {
        if self.few.contains(&key) {
            return false;
        }
        if self.few.len() < FEW_KEYS {
            self.few.push(key);
            return true;
        }
        self.many.insert(key)
    }
}

struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
    frames: Vec<Frame<'a>>,
    values: usize,
}

impl<'a> Scanner<'a> {
    fn run(&mut self) -> Result<(), Flaw> {
        while let Some(&byte) = self.bytes.get(self.at) {
            match byte {
                b'{' => self.open(Frame::Object { key: b"", key_is_next: true, seen: Seen::default() })?,
                b'[' => self.open(Frame::Array { index: 0 })?,
                b'}' | b']' => {
                    self.frames.pop();
                    self.at += 1;
                }
                b',' => self.next_item(),
                b'"' => self.string()?,
                b'-' | b'0'..=b'9' => self.number()?,
                b't' | b'f' | b'n' => self.word()?,
                0 => return Err(Flaw::Nul),
                _ => self.at += 1,
            }
        }
        Ok(())
    }

    fn open(&mut self, frame: Frame<'a>) -> Result<(), Flaw> {
        self.value()?;
        if self.frames.len() == MAX_DEPTH {
            return Err(Flaw::TooDeep);
        }
        self.frames.push(frame);
        self.at += 1;
        Ok(())
    }

    fn next_item(&mut self) {
        match self.frames.last_mut() {
            Some(Frame::Array { index }) => *index += 1,
            Some(Frame::Object { key_is_next, .. }) => *key_is_next = true,
            None => {}
        }
        self.at += 1;
    }

    fn value(&mut self) -> Result<(), Flaw> {
        self.values += 1;
        if self.values > MAX_VALUES { Err(Flaw::TooManyValues) } else { Ok(()) }
    }

    fn string(&mut self) -> Result<(), Flaw> {
        let start = self.at + 1;
        let (end, has_escape, flaw) = self.string_end(start);
        self.at = end + 1;
        let is_key = match self.frames.last_mut() {
            Some(Frame::Object { key, key_is_next, .. }) if *key_is_next => {
                *key = &self.bytes[start..end];
                *key_is_next = false;
                true
            }
            _ => false,
        };
        if let Some(flaw) = flaw {
            return Err(flaw);
        }
        if is_key { self.note_key(has_escape) } else { self.value() }
    }

    fn note_key(&mut self, has_escape: bool) -> Result<(), Flaw> {
        let Some(Frame::Object { key, seen, .. }) = self.frames.last_mut() else { return Ok(()) };
        let name = if has_escape { Cow::Owned(decoded(key).into_bytes()) } else { Cow::Borrowed(*key) };
        if seen.insert(name) { Ok(()) } else { Err(Flaw::DuplicateKey) }
    }

    /// The end of the string, whether it has an escape, and its first flaw.
    fn string_end(&self, start: usize) -> (usize, bool, Option<Flaw>) {
        let (mut at, mut has_escape, mut flaw) = (start, false, None);
        while let Some(&byte) = self.bytes.get(at) {
            match byte {
                b'"' => return (at, has_escape, flaw),
                0 => flaw = flaw.or(Some(Flaw::Nul)),
                b'\\' => {
                    has_escape = true;
                    let (length, found) = escape(&self.bytes[at..]);
                    flaw = flaw.or(found);
                    at += length;
                    continue;
                }
                _ => {}
            }
            at += 1;
        }
        (self.bytes.len(), has_escape, flaw)
    }

    fn number(&mut self) -> Result<(), Flaw> {
        self.value()?;
        let rest = &self.bytes[self.at..];
        let length = rest
            .iter()
            .position(|byte| !matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E'))
            .unwrap_or(rest.len());
        self.at += length;
        if length <= 16 && !rest[..length].iter().any(|byte| matches!(byte, b'e' | b'E')) {
            return Ok(());
        }
        let text = std::str::from_utf8(&rest[..length]).unwrap_or_default();
        if text.parse::<f64>().is_ok_and(f64::is_infinite) {
            return Err(Flaw::NumberTooLarge);
        }
        // The parser reports text that is not a number.
        if is_kept(text) || serde_json::from_str::<f64>(text).is_err() {
            Ok(())
        } else {
            Err(Flaw::LosesDigits)
        }
    }

    fn word(&mut self) -> Result<(), Flaw> {
        self.value()?;
        while self.bytes.get(self.at).is_some_and(u8::is_ascii_alphabetic) {
            self.at += 1;
        }
        Ok(())
    }

    fn pointer(&self) -> String {
        let mut pointer = String::new();
        for frame in &self.frames {
            match frame {
                Frame::Array { index } => {
                    // Writing to a String cannot fail.
                    let _ = write!(pointer, "/{index}");
                }
                Frame::Object { key_is_next: true, .. } => {}
                Frame::Object { key, .. } => push_key(&mut pointer, &decoded(key)),
            }
            if pointer.len() >= MAX_POINTER {
                pointer.push('…');
                break;
            }
        }
        pointer
    }
}

/// Adds a key to a JSON pointer, escaped as RFC 6901 says and cut where it is very long.
pub(crate) fn push_key(pointer: &mut String, key: &str) {
    pointer.push('/');
    for character in key.chars() {
        if pointer.len() >= MAX_POINTER {
            pointer.push('…');
            return;
        }
        match character {
            '~' => pointer.push_str("~0"),
            '/' => pointer.push_str("~1"),
            other => pointer.push(other),
        }
    }
}

/// A key without its escapes; unchanged if they are broken.
fn decoded(raw: &[u8]) -> String {
    let quoted = [b"\"", raw, b"\""].concat();
    serde_json::from_slice(&quoted).unwrap_or_else(|_| String::from_utf8_lossy(raw).into_owned())
}

/// Length of the escape at the start of `bytes`, and its flaw.
pub(crate) fn escape(bytes: &[u8]) -> (usize, Option<Flaw>) {
    let Some(unit) = unicode_unit(bytes) else { return (2.min(bytes.len()), None) };
    match unit {
        0 => (6, Some(Flaw::Nul)),
        0xd800..=0xdbff => match unicode_unit(&bytes[6..]) {
            Some(0xdc00..=0xdfff) => (12, None),
            _ => (6, Some(Flaw::LoneSurrogate)),
        },
        0xdc00..=0xdfff => (6, Some(Flaw::LoneSurrogate)),
        _ => (6, None),
    }
}

/// The code unit of a `\uXXXX` at the start of `bytes`, if there is a whole one.
fn unicode_unit(bytes: &[u8]) -> Option<u16> {
    let digits = bytes.strip_prefix(b"\\u")?.get(..4)?;
    digits.iter().try_fold(0, |unit: u16, digit| {
        let value = char::from(*digit).to_digit(16)?;
        Some(unit << 4 | u16::try_from(value).ok()?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(text: &[u8]) -> Option<(Flaw, String)> {
        scan(text).err().map(|finding| (finding.flaw, finding.pointer))
    }

    #[test]
    fn names_the_flaw_and_the_place() {
        let cases: &[(&[u8], Flaw, &str)] = &[
            (br#"{"args":{"a":"x\u0000y"}}"#, Flaw::Nul, "/args/a"),
            (b"{\"args\":{\"a\":\"x\0y\"}}", Flaw::Nul, "/args/a"),
            (br#"{"args":{"a\u0000":1}}"#, Flaw::Nul, "/args/a\0"),
            (br#"{"args":{"a":["ok","\ud800"]}}"#, Flaw::LoneSurrogate, "/args/a/1"),
            (br#"{"a":"\udc00\ud800"}"#, Flaw::LoneSurrogate, "/a"),
            (br#"{"a":"\ud800\ud800"}"#, Flaw::LoneSurrogate, "/a"),
            (br#"{"a":"\ud800x"}"#, Flaw::LoneSurrogate, "/a"),
            (br#"{"x":1,"y":[0,{"a/b~c":1e400}]}"#, Flaw::NumberTooLarge, "/y/1/a~1b~0c"),
            (br#"{"n":123456789012345678901234}"#, Flaw::LosesDigits, "/n"),
            (br#"{"n":[0.1,12345678901234567.89]}"#, Flaw::LosesDigits, "/n/1"),
            (br#"{"n":12345678901234.567}"#, Flaw::LosesDigits, "/n"),
            (br#"{"n":1e-400}"#, Flaw::LosesDigits, "/n"),
            (br#"{"a":1,"\u0061":2}"#, Flaw::DuplicateKey, "/a"),
            (b"{\"a\":{\"b\":\"\xff\"}}", Flaw::InvalidUtf8, "/a/b"),
            (b"{\"a\":1,\"b\xff\":1}", Flaw::InvalidUtf8, "/b"),
        ];
        for (text, flaw, pointer) in cases {
            let shown = String::from_utf8_lossy(text);
            assert_eq!(finding(text), Some((*flaw, (*pointer).to_owned())), "{shown}");
        }
    }

    #[test]
    fn finds_a_key_twice_among_few_and_many() {
        for keys in [1, FEW_KEYS - 1, FEW_KEYS, FEW_KEYS + 1, 3 * FEW_KEYS] {
            let fields: Vec<_> = (0..keys).map(|key| format!("\"k{key}\":0")).collect();
            let fields = fields.join(",");
            assert_eq!(finding(format!("{{{fields}}}").as_bytes()), None, "{keys}");
            for again in [0, keys / 2, keys - 1] {
                let text = format!("{{{fields},\"k{again}\":0}}");
                let found = Some((Flaw::DuplicateKey, format!("/k{again}")));
                assert_eq!(finding(text.as_bytes()), found, "{again} of {keys}");
            }
        }
    }

    #[test]
    fn bounds_depth_and_number() {
        let nested = |depth: usize| [b"[".repeat(depth), b"]".repeat(depth)].concat();
        assert_eq!(finding(&nested(64)), None);
        assert_eq!(finding(&nested(65)).unwrap().0, Flaw::TooDeep);
        assert_eq!(finding(&nested(50_000)).unwrap().0, Flaw::TooDeep);
        let list = |length: usize| format!("[{}]", vec!["1"; length].join(",")).into_bytes();
        assert_eq!(finding(&list(MAX_VALUES - 1)), None);
        assert_eq!(finding(&list(MAX_VALUES)).unwrap(), (Flaw::TooManyValues, "/99999".into()));
    }

    #[test]
    fn lets_good_and_broken_text_pass_to_the_parser() {
        let texts: &[&[u8]] = &[
            br#"{"a":"\ud83d\ude00 \\u0000 \"","b":[-0,1.5e10,18446744073709551615,-9223372036854775808,null]}"#,
            "{\"ü\":\"😀\",\"nested\":{\"a\":1},\"a\":1}".as_bytes(),
            b"{not json",
            b"\"unterminated \\",
            b"\"\\u00",
            b"]]}},::",
            b"",
        ];
        for text in texts {
            assert_eq!(finding(text), None, "{}", String::from_utf8_lossy(text));
        }
    }

    #[test]
    fn a_pointer_never_grows_without_bound() {
        let text = format!("{{\"{}\":\"\\u0000\"}}", "k".repeat(100_000));
        assert!(finding(text.as_bytes()).unwrap().1.len() < 400);
    }
}
