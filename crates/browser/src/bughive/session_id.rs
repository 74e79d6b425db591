//! The name of a crawl's session, which its caller chooses.

/// The most characters of a session's id.
pub(super) const ID_CHARACTERS: usize = 100;

/// Whether the text can be a session's name: it must also be a valid part of a path.
#[must_use]
pub(super) fn is_id(text: &str) -> bool {
    (1..=ID_CHARACTERS).contains(&text.chars().count())
        && !text.chars().any(|letter| letter.is_control() || letter == '/')
        && !matches!(text, "." | "..")
}
