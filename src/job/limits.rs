//! The rule of names and the bounds of texts and times: one value each, for handlers in Rust,
//! commands, URLs and REST alike. Where the database holds one of them as well, a test compares the two.

use std::time::Duration;

/// The longest name of a kind, queue, worker, limit, schedule or deployment, in bytes.
pub const NAME_BYTES: usize = 63;
/// The rule of [`is_name`] as a regular expression, for descriptions.
pub const NAME_PATTERN: &str = "^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$";

/// Whether `text` is a name: 1 to 63 ASCII letters, digits, dots, underscores and hyphens that begin with a
/// letter or digit.
#[must_use]
pub fn is_name(text: &str) -> bool {
    let is_inner = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    text.len() <= NAME_BYTES
        && text.starts_with(|first: char| first.is_ascii_alphanumeric())
        && text.bytes().all(is_inner)
}

/// The longest execution id, in characters.
pub const EXECUTION_ID_CHARACTERS: usize = 255;
/// The longest key of a limit, of fairness or of a unique job, in characters.
pub const KEY_CHARACTERS: usize = 255;
/// The longest name of a part of a job or workflow (a step, child, signal or file), in characters.
pub const PART_NAME_CHARACTERS: usize = 200;

/// The longest message of an error, in bytes; the rest is cut and marked, as of its other texts.
pub const ERROR_MESSAGE_BYTES: usize = 16 * 1024;
/// The longest class of an error, in bytes.
pub const ERROR_CLASS_BYTES: usize = 200;
/// The longest stack trace of an error, in bytes.
pub const BACKTRACE_BYTES: usize = 64 * 1024;
/// The longest line of a job's log, in bytes.
pub const LOG_LINE_BYTES: usize = 64 * 1024;
/// The largest output of a step, in bytes of JSON.
pub const STEP_OUTPUT_BYTES: usize = 1024 * 1024;

/// The longest delay of a handler, a command or a URL until its job continues; a longer one counts as this.
pub const LONGEST_DELAY: Duration = Duration::from_hours(100 * 365 * 24);
/// The longest duration that a request may name; a longer one is refused, for it is a mistake.
pub const LONGEST_DURATION: Duration = Duration::from_hours(3650 * 24);
/// The most by which an attempt is extended at once.
pub const LONGEST_EXTENSION: Duration = Duration::from_hours(366 * 24);

/// Names and texts that are none, for the tests of every place that holds the rule.
#[cfg(any(test, feature = "internals"))]
pub const NAME_EXAMPLES: &[(&str, bool)] = &[
    ("a", true),
    ("0", true),
    ("default", true),
    ("mail.send-now_2", true),
    ("A..-_", true),
    ("x23456789012345678901234567890123456789012345678901234567890123", true),
    ("x234567890123456789012345678901234567890123456789012345678901234", false),
    ("", false),
    (".hidden", false),
    ("-x", false),
    ("_x", false),
    ("a b", false),
    ("a/b", false),
    ("a:b", false),
    ("a\n", false),
    ("\na", false),
    ("a\nb", false),
    ("é", false),
    ("aé", false),
    ("Ａ", false),
    ("٣", false),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_distinguished_from_other_texts() {
        for (text, expected) in NAME_EXAMPLES {
            assert_eq!(is_name(text), *expected, "{text:?}");
        }
        assert!(NAME_PATTERN.contains(&format!("{{0,{}}}", NAME_BYTES - 1)));
    }
}
