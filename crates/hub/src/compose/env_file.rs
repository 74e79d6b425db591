//! Files of variables, `.env` and those of `env_file`, in compose's format. Must never read the
//! worker's environment, or repeat the content of a file: an error names the line, because its text
//! may be secret.

use std::path::Path;

use super::variables::{Variables, filled};

const BLANK: [char; 3] = [' ', '\t', '\r'];

/// Reads a file. Substitutions come from `outer`, otherwise from earlier lines. The error describes the
/// problem.
pub(super) fn read(path: &Path, outer: &Variables) -> Result<Variables, String> {
    let problem = |wrong: String| format!("{}{wrong}", path.display());
    let text = std::fs::read_to_string(path).map_err(|error| {
        problem(format!(", which cannot be read ({error}); create it, or correct the path"))
    })?;
    parse(text.trim_start_matches('\u{feff}'), outer).map_err(|line| {
        problem(format!(
            ", whose line {line} is not understood; write NAME=value, close every quote, use only variables \
             that are set, and put a value with a literal $ into single quotes"
        ))
    })
}

/// The variables of a text; otherwise the number of the line that is not understood.
fn parse(text: &str, outer: &Variables) -> Result<Variables, usize> {
    let (mut known, mut read) = (outer.clone(), Variables::new());
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let line = || text[..text.len() - rest.len()].matches('\n').count() + 1;
        if rest.starts_with('#') {
            rest = cut(rest).1.trim_start();
            continue;
        }
        let (name, value, below) = entry(rest).ok_or_else(line)?;
        let value = match value {
            Some(value) => Some(filled(&value, &known).map_err(|_| line())?),
            // A variable without a value is passed on.
            None => outer.get(name).cloned(),
        };
        if let Some(value) = value {
            if !outer.contains_key(name) {
                known.insert(name.to_owned(), value.clone());
            }
            read.insert(name.to_owned(), value);
        }
        rest = below.trim_start();
    }
    Ok(read)
}

/// A name, its value with variables to be filled in, and what follows.
fn entry(text: &str) -> Option<(&str, Option<String>, &str)> {
    let exported = text.strip_prefix("export").filter(|rest| rest.starts_with(BLANK));
    let text = exported.unwrap_or(text).trim_start_matches(BLANK);
    let is_of_name = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    let (name, rest) = text.split_at(text.find(|c| !is_of_name(c)).unwrap_or(text.len()));
    if name.is_empty() {
        return None;
    }
    let Some(value) = rest.trim_start_matches(BLANK).strip_prefix('=') else {
        return Some((name, None, only_comment(rest)?));
    };
    if let Some((quote @ ("'" | "\""), quoted)) = value.trim_start_matches(BLANK).split_at_checked(1) {
        let (value, rest) = unquoted(quoted, quote == "\"")?;
        return Some((name, Some(value), only_comment(rest)?));
    }
    let (value, below) = cut(value);
    let end = value.find(" #").or_else(|| value.find("\t#")).unwrap_or(value.len());
    Some((name, Some(value[..end].trim().to_owned()), below))
}

/// The text before the closing quote, which may be on a later line, and the rest. Variables are filled in
/// only in double quotes.
fn unquoted(text: &str, double: bool) -> Option<(String, &str)> {
    let quote = if double { '"' } else { '\'' };
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, c)) = characters.next() {
        match c {
            _ if c == quote => return Some((value, &text[at + 1..])),
            '$' if !double => value.push_str("$$"),
            '\\' => match characters.next()?.1 {
                '$' if double => value.push_str("$$"),
                '\\' if double => value.push('\\'),
                'n' if double => value.push('\n'),
                'r' if double => value.push('\r'),
                't' if double => value.push('\t'),
                c if c == quote => value.push(c),
                '$' => value.push_str("\\$$"),
                c => value.extend(['\\', c]),
            },
            c => value.push(c),
        }
    }
    None
}

/// The lines after the current one, if its rest is only a comment.
fn only_comment(text: &str) -> Option<&str> {
    let (left, below) = cut(text);
    let left = left.trim();
    (left.is_empty() || left.starts_with('#')).then_some(below)
}

fn cut(text: &str) -> (&str, &str) {
    text.split_once('\n').unwrap_or((text, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_as_compose_reads_them() {
        let text = "# all\nA=1\n\n export B = two words # three\r\nC=a#b\nD= # none\nE='it\\'s $A' # x\n\
                    F=\"$A-${B}\\n\\\"q\\\" \\$A\\\\\"\nG='one\ntwo\\d'\nH=$A$$\nOUTER\nUNSET # no\n\
                    I=${OUTER}${NO:-n}\nA=9\nJ=$A\nlast.of-all=";
        let outer = Variables::from([("OUTER".to_owned(), "o".to_owned()), ("B".to_owned(), "b".to_owned())]);
        let read = parse(text, &outer).unwrap();
        let expected = [
            ("A", "9"),
            ("B", "two words"),
            ("C", "a#b"),
            ("D", ""),
            ("E", "it's $A"),
            ("F", "1-b\n\"q\" $A\\"),
            ("G", "one\ntwo\\d"),
            ("H", "1$"),
            ("I", "on"),
            ("J", "9"),
            ("OUTER", "o"),
            ("last.of-all", ""),
        ];
        assert_eq!(read, expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
    }

    #[test]
    fn the_environment_of_the_worker_is_not_looked_at() {
        assert!(std::env::var("PATH").is_ok());
        assert_eq!(parse("A=1\nB=$PATH", &Variables::new()), Err(2));
        assert_eq!(parse("PATH", &Variables::new()), Ok(Variables::new()));
    }

    #[test]
    fn an_error_names_the_line_and_none_of_its_words() {
        for (text, line) in [
            ("A=1\n\n# c\nB=s3cret$word\n", 4),
            ("A='1\n2'\nB=\"s3cret\nC=1", 3),
            ("s3cret key=1", 1),
            ("=s3cret", 1),
            ("A=\"s3\"cret", 1),
            ("A=${s3cret", 1),
        ] {
            assert_eq!(parse(text, &Variables::new()), Err(line), "{text}");
        }
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.env");
        assert!(read(&file, &Variables::new()).unwrap_err().contains("cannot be read"));
        std::fs::write(&file, "A=1\nPASSWORD=s3cret$word\n").unwrap();
        let wrong = read(&file, &Variables::new()).unwrap_err();
        assert!(wrong.contains("a.env, whose line 2 is not understood"), "{wrong}");
        assert!(!wrong.contains("s3cret") && !wrong.contains("word"), "{wrong}");
    }
}
