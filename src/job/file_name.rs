//! The rule for names of a job's files, and the content type of a name. Must never accept a name that could
//! leave the folder of its job, or the name of its args or result.

use super::limits::PART_NAME_CHARACTERS;

/// The names of stored args and results that are too large for a row.
const RESERVED: [&str; 2] = ["args.json", "result.json"];

/// The rule of [`refusal`] as a regular expression, but for the reserved names; for descriptions.
pub const FILE_NAME_PATTERN: &str = "^[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}$";

/// The content type of bytes that nobody described.
pub const BYTES: &str = "application/octet-stream";
/// The longest content type, in bytes.
const CONTENT_TYPE_BYTES: usize = 255;

/// The content types of endings that reports and pictures have.
const CONTENT_TYPES: [(&str, &str); 14] = [
    ("csv", "text/csv"),
    ("gif", "image/gif"),
    ("gz", "application/gzip"),
    ("htm", "text/html"),
    ("html", "text/html"),
    ("jpeg", "image/jpeg"),
    ("jpg", "image/jpeg"),
    ("json", "application/json"),
    ("log", "text/plain"),
    ("pdf", "application/pdf"),
    ("png", "image/png"),
    ("txt", "text/plain"),
    ("webp", "image/webp"),
    ("zip", "application/zip"),
];

/// Why a file of a job cannot have this name; `None` if it can.
#[must_use]
pub fn refusal(name: &str) -> Option<String> {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
    if !(1..=PART_NAME_CHARACTERS).contains(&name.len()) || !name.chars().all(plain) || name.starts_with('.')
    {
        let shown: String = name.chars().take(PART_NAME_CHARACTERS).collect();
        return Some(format!(
            "a file cannot be called {shown:?}: use 1 to {PART_NAME_CHARACTERS} letters, digits, dots, hyphens and underscores"
        ));
    }
    RESERVED.contains(&name).then(|| {
        format!("a file cannot be called {name}: the name is reserved for the job's args and results")
    })
}

/// Whether a text can be stored as a content type: printable ASCII that has a slash.
#[must_use]
pub fn is_content_type(text: &str) -> bool {
    text.len() <= CONTENT_TYPE_BYTES
        && text.bytes().all(|byte| (b' '..=b'~').contains(&byte))
        && text.split_once('/').is_some_and(|(kind, form)| !kind.is_empty() && !form.is_empty())
}

/// The content type that the ending of a name stands for.
#[must_use]
pub fn content_type_of(name: &str) -> &'static str {
    let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending).to_ascii_lowercase();
    CONTENT_TYPES.iter().find(|(known, _)| *known == ending).map_or(BYTES, |(_, content_type)| content_type)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_names_are_names() {
        assert!(FILE_NAME_PATTERN.contains(&format!("{{0,{}}}", PART_NAME_CHARACTERS - 1)));
        for name in ["report.pdf", "a", "step-001.jpg", "A_b.tar.gz"] {
            assert_eq!(refusal(name), None);
        }
        let long = "x".repeat(PART_NAME_CHARACTERS + 1);
        for name in ["", ".hidden", "..", "a/b", "a\\b", "ä", "a b", "a\n", "args.json", "result.json", &long]
        {
            assert!(refusal(name).is_some_and(|why| why.contains("cannot be called")), "{name:?}");
        }
    }

    #[test]
    fn a_content_type_is_printable_and_follows_from_an_ending() {
        for text in ["image/png", "text/plain; charset=utf-8", "application/vnd.ms-excel"] {
            assert!(is_content_type(text), "{text}");
        }
        for text in ["", "png", "/", "a/", "image/png\r\nx: y", "text/plain; n=é"] {
            assert!(!is_content_type(text), "{text:?}");
        }
        assert_eq!(content_type_of("Report.PDF"), "application/pdf");
        assert_eq!((content_type_of("data"), content_type_of("a.unknown")), (BYTES, BYTES));
    }
}
