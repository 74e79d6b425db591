//! Reads `.env` in the format of python-dotenv, docker compose and node's dotenv. The file also
//! holds variables of other programs, so this module must never report a line by itself or repeat
//! its text. A line that cannot be read is skipped; an error in a value is reported to the caller
//! that needs the variable.

use std::borrow::Cow;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use super::error::ConfigError;
use super::source::Variable;

const BLANK: [char; 2] = [' ', '\t'];
const UNCLOSED: &str = "there is text after the closing quote, or the closing quote is missing; quote the whole value or none \
     of it";
const NO_UTF8: &str = "holds bytes that are not UTF-8; save the file as UTF-8";

/// Reads the `.env` of `folder`; if a variable appears twice, the last value counts. A folder of that name,
/// such as a Python virtual environment, is ignored. `outer` is the environment, which takes precedence in
/// substitutions.
///
/// # Errors
/// If that fails; the error says why.
pub fn read(folder: &Path, outer: &dyn Fn(&str) -> Option<String>) -> Result<Vec<Variable>, ConfigError> {
    let path = folder.join(".env");
    if path.is_dir() {
        return Ok(Vec::new());
    }
    match fs::read(&path) {
        Ok(bytes) => Ok(parse(&decode(&bytes), outer)),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Ok(Vec::new())
        }
        Err(cause) => Err(ConfigError::Unreadable { path, cause }),
    }
}

/// The text of a file, with `\n` at the end of lines. Bytes that are not UTF-8 become U+FFFD.
fn decode(bytes: &[u8]) -> String {
    let wide = |rest: &[u8], unit: fn([u8; 2]) -> u16| {
        let units = rest.chunks_exact(2).map(|pair| unit([pair[0], pair[1]]));
        char::decode_utf16(units).map(|read| read.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
    };
    let text: Cow<'_, str> = match bytes {
        [0xff, 0xfe, rest @ ..] => Cow::Owned(wide(rest, u16::from_le_bytes)),
        [0xfe, 0xff, rest @ ..] => Cow::Owned(wide(rest, u16::from_be_bytes)),
        [0xef, 0xbb, 0xbf, rest @ ..] => String::from_utf8_lossy(rest),
        bytes => String::from_utf8_lossy(bytes),
    };
    text.replace("\r\n", "\n").replace('\r', "\n")
}

fn parse(text: &str, outer: &dyn Fn(&str) -> Option<String>) -> Vec<Variable> {
    let mut known: Vec<Variable> = Vec::new();
    let (mut rest, mut line) = (text, 1);
    while !rest.is_empty() {
        let below = match assigned(rest) {
            Some((name, value)) => {
                let (read, below) = Value::read(value);
                let origin = format!(".env:{line}");
                let variable = read.fill(name, origin, &|name| {
                    let above = || known.iter().find(|variable| variable.name == name);
                    outer(name).or_else(|| above().map(|variable| variable.value.clone()))
                });
                known.retain(|earlier| earlier.name != name);
                known.push(variable);
                below
            }
            None => cut(rest).1,
        };
        line += rest[..rest.len() - below.len()].matches('\n').count();
        rest = below;
    }
    known
}

/// The name that a line assigns to, and all text after its `=` or `: `.
fn assigned(text: &str) -> Option<(&str, &str)> {
    let (line, _) = cut(text);
    let start = line.trim_start_matches(BLANK);
    let exported = start.strip_prefix("export").filter(|rest| rest.starts_with(BLANK));
    let start = exported.unwrap_or(start).trim_start_matches(BLANK);
    let end = start.find(['=', ':', '#', '\'', '"', ' ', '\t'])?;
    let (name, rest) = start.split_at(end);
    let rest = rest.trim_start_matches(BLANK);
    let is_assigned = rest.starts_with('=') || rest.starts_with(": ") || rest.starts_with(":\t");
    // The rest of the text begins where the rest of the line does.
    let behind = line.len() - rest.len() + 1;
    (is_assigned && !name.is_empty()).then(|| (name, &text[behind..]))
}

/// A value as written in the file.
struct Value<'t> {
    text: Cow<'t, str>,
    /// Escapes are interpreted: the value was in double quotes.
    escaped: bool,
    /// Variables are filled in: the value was in double quotes or in none.
    filled: bool,
    /// It starts with a quote that does not end it.
    unclosed: bool,
}

impl<'t> Value<'t> {
    /// The value at the start of `text`, and the following lines.
    fn read(text: &'t str) -> (Self, &'t str) {
        let (line, below) = cut(text);
        let start = text.trim_start_matches(BLANK);
        let quote = start.chars().next().filter(|first| ['\'', '"', '`'].contains(first));
        if let Some(quote) = quote {
            let double = quote == '"';
            let whole = |text| Self { text, escaped: double, filled: double, unclosed: false };
            if let Some((quoted, below)) = closed(&start[1..], quote, double) {
                return (whole(quoted.into()), below);
            }
            // A backslash in single quotes is one, but before such a quote it may also be meant to keep it.
            if let Some((quoted, below)) = closed(&start[1..], quote, true).filter(|_| quote == '\'') {
                return (whole(quoted.replace("\\'", "'").into()), below);
            }
        }
        let comment = line.match_indices('#').map(|(at, _)| at).find(|&at| line[..at].ends_with(BLANK));
        let plain = line[..comment.unwrap_or(line.len())].trim();
        (Self { text: plain.into(), escaped: false, filled: true, unclosed: quote.is_some() }, below)
    }

    fn fill(&self, name: &str, origin: String, known: &dyn Fn(&str) -> Option<String>) -> Variable {
        let mut fault = self.unclosed.then(|| UNCLOSED.to_owned());
        let mut value = String::new();
        self.add(&self.text, known, &mut value, &mut fault);
        if value.contains(char::REPLACEMENT_CHARACTER) {
            fault = Some(NO_UTF8.to_owned());
        }
        Variable { name: name.to_owned(), value, origin, fault, raw: self.unclosed }
    }

    /// Adds what `text`, the value or a word in it, stands for.
    fn add(
        &self,
        text: &str,
        known: &dyn Fn(&str) -> Option<String>,
        value: &mut String,
        fault: &mut Option<String>,
    ) {
        let mut rest = text;
        while let Some(next) = rest.chars().next() {
            let behind = &rest[next.len_utf8()..];
            let reference = if next == '$' && self.filled { Reference::read(behind) } else { None };
            if let Some(Reference { name, rule, takes_empty, behind }) = reference {
                let found = known(name);
                let is_set = found.as_ref().is_some_and(|found| takes_empty || !found.is_empty());
                match (rule, found) {
                    (Rule::Instead(word), _) if is_set => self.add(word, known, value, fault),
                    (Rule::Instead(_), _) => {}
                    (_, Some(found)) if is_set => value.push_str(&found),
                    (Rule::Default(word), _) => self.add(word, known, value, fault),
                    (Rule::Needed, Some(_)) => *fault = Some(format!("${{{name}}} in it is empty")),
                    (Rule::Needed, None) => {
                        *fault =
                            Some(format!("${{{name}}} in it is set neither in the environment nor above it"));
                    }
                }
                rest = behind;
            } else if next == '\\' && self.escaped {
                rest = unescape(behind, value);
            } else {
                value.push(next);
                rest = behind;
            }
        }
    }
}

/// The text before the closing quote, and the lines after it; `None` if there is no closing quote, or if
/// more than a comment follows it.
fn closed(text: &str, quote: char, escapes: bool) -> Option<(&str, &str)> {
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        if character == quote {
            let (left, below) = cut(&text[at + 1..]);
            let left = left.trim_start_matches(BLANK);
            return (left.is_empty() || left.starts_with('#')).then(|| (&text[..at], below));
        }
        if character == '\\' && escapes {
            characters.next();
        }
    }
    None
}

/// A variable to be filled in, such as `${NAME:-word}`.
struct Reference<'t> {
    name: &'t str,
    rule: Rule<'t>,
    /// Whether an empty variable counts as set: there is no colon.
    takes_empty: bool,
    /// What follows it.
    behind: &'t str,
}

/// What is filled in.
enum Rule<'t> {
    /// `${NAME}`, `${NAME:?message}`: the variable, and nothing else will do.
    Needed,
    /// `${NAME:-word}`: the word, where the variable is not set.
    Default(&'t str),
    /// `${NAME:+word}`: the word, where it is.
    Instead(&'t str),
}

impl<'t> Reference<'t> {
    /// The reference whose `$` stands before `text`.
    fn read(text: &'t str) -> Option<Self> {
        let text = text.strip_prefix('{')?;
        let (inner, behind) = text.split_at(closing(text)?);
        let is_of_name = |character: char| character.is_ascii_alphanumeric() || character == '_';
        let (name, rest) = inner.split_at(inner.find(|c: char| !is_of_name(c)).unwrap_or(inner.len()));
        let operator = rest.strip_prefix(':').unwrap_or(rest);
        let takes_empty = !rest.is_empty() && operator.len() == rest.len();
        let rule = match operator.chars().next() {
            None if rest.is_empty() => Rule::Needed,
            Some('?') => Rule::Needed,
            Some('-') => Rule::Default(&operator[1..]),
            Some('+') => Rule::Instead(&operator[1..]),
            _ => return None,
        };
        (!name.is_empty()).then(|| Self { name, rule, takes_empty, behind: &behind[1..] })
    }
}

/// Where the brace stands that closes the one before `text`; a word may hold references of its own.
fn closing(text: &str) -> Option<usize> {
    let (mut open, mut before) = (0_usize, b'{');
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'{' if before == b'$' => open += 1,
            b'}' if open == 0 => return Some(at),
            b'}' => open -= 1,
            _ => {}
        }
        before = byte;
    }
    None
}

/// Appends the character of an escape; returns the text after it.
fn unescape<'t>(text: &'t str, value: &mut String) -> &'t str {
    let Some(next) = text.chars().next() else {
        value.push('\\');
        return text;
    };
    match next {
        'n' => value.push('\n'),
        'r' => value.push('\r'),
        't' => value.push('\t'),
        '"' | '\\' | '$' | '\'' => value.push(next),
        other => value.extend(['\\', other]),
    }
    &text[next.len_utf8()..]
}

fn cut(text: &str) -> (&str, &str) {
    text.split_once('\n').unwrap_or((text, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_all(text: &[u8]) -> Vec<(String, String, bool)> {
        let outer = |name: &str| (name == "OUTER").then(|| "o".to_owned());
        let found = parse(&decode(text), &outer);
        found.into_iter().map(|found| (found.name, found.value, found.fault.is_none())).collect()
    }

    #[test]
    fn what_others_take_is_taken() {
        for (text, expected) in [
            ("A=1", "1"),
            ("export A = correct horse # why\n", "correct horse"),
            ("A={\"a\": 1}", "{\"a\": 1}"),
            ("A=[\"http://localhost:3000\"]", "[\"http://localhost:3000\"]"),
            ("A='[\"x\"]'", "[\"x\"]"),
            ("A=\"one\\n\\\"two\\\" \\$x\"", "one\n\"two\" $x"),
            ("A='it stays \\n ${OUTER} $x # all'  # a comment", "it stays \\n ${OUTER} $x # all"),
            ("A='C:\\dir\\'", "C:\\dir\\"),
            ("A='it\\'s'", "it's"),
            ("A=`a \"b\" 'c'`", "a \"b\" 'c'"),
            ("A=\"-----BEGIN\n#x=1\n\nEND\"\nB=2", "-----BEGIN\n#x=1\n\nEND"),
            ("A=a#b", "a#b"),
            ("A= # nothing", ""),
            ("A=pa$$word$1", "pa$$word$1"),
            ("A=${OUTER}-${NO:-n}", "o-n"),
            ("A=${NO:-${OUTER}}", "o"),
            ("A=${NO:-${NOT:-${OUTER}/x}}-y", "o/x-y"),
            ("A=\"${NO:-{\\\"a\\\": 1}}\"", "{\"a\": 1}"),
            ("A=${NO-d}", "d"),
            ("E=\nA=${E:-d}${E-e}", "d"),
            ("A=${OUTER:+y}${OUTER+z}${NO:+n}${NO+n}", "yz"),
            ("E=\nA=${E+y}${E:+n}", "y"),
            ("A=${NO:+${MISSING}}", ""),
            ("E=\nA=${OUTER:?why}${OUTER?why}${E?why}", "oo"),
            ("A=${OUTER!x}${OUTER:}${}${OUTER", "${OUTER!x}${OUTER:}${}${OUTER"),
            ("A: yaml like", "yaml like"),
            ("A=first\nA=last", "last"),
            ("\u{feff}A=b\r\nC=d\r\n", "b"),
            ("B\n=3\nnot a line at all\n'quoted'=1\nA=x", "x"),
        ] {
            let found = read_all(text.as_bytes());
            let a =
                found.iter().find(|(name, ..)| name == "A").unwrap_or_else(|| panic!("{text}: {found:?}"));
            assert_eq!((a.1.as_str(), a.2), (expected, true), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_marked_and_spoils_nothing_below() {
        for text in [
            "A=\"x\nB=2",
            "A='it's'\nB=2",
            "A=\"x\" y\nB=\"2\"",
            "A=${MISSING}\nB=2",
            "A=${MISSING:?why}\nB=2",
            "A=${MISSING?why}\nB=2",
            "A=${NO:-${MISSING}}\nB=2",
            "A=${OUTER:+${MISSING}}\nB=2",
        ] {
            let found = read_all(text.as_bytes());
            assert_eq!((found[0].2, found[1].0.as_str(), found[1].1.as_str()), (false, "B", "2"), "{text}");
        }
        let latin = read_all(b"A=caf\xe9\nB=2");
        assert_eq!((latin[0].2, latin[1].1.as_str()), (false, "2"));
        let wide: Vec<u8> = "\u{feff}A=1\r\nB=2".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(read_all(&wide)[1].1, "2");
    }

    #[test]
    fn lines_are_counted_over_quoted_ones() {
        let origins: Vec<_> =
            parse("# a\n\nA=\"1\n2\"\nB=3\n", &|_| None).into_iter().map(|one| one.origin).collect();
        assert_eq!(origins, [".env:3", ".env:5"]);
    }
}
