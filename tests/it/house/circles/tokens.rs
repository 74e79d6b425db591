//! The tokens of a Rust file, without comments, literals and lifetimes.

/// Names, `::`, and every other sign by itself.
pub(super) fn tokens(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(sign) = rest.chars().next() {
        let length = literal(rest).unwrap_or(0);
        if length > 0 {
            rest = &rest[length..];
            continue;
        }
        let name = name_length(rest);
        let length = if name > 0 {
            name
        } else if rest.starts_with("::") {
            2
        } else {
            sign.len_utf8()
        };
        if !sign.is_whitespace() {
            found.push(&rest[..length]);
        }
        rest = &rest[length..];
    }
    found
}

fn name_length(text: &str) -> usize {
    text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len())
}

/// The length of a comment, a literal or a lifetime at the beginning of a text.
fn literal(text: &str) -> Option<usize> {
    if text.starts_with("//") {
        return Some(text.find('\n').unwrap_or(text.len()));
    }
    if text.starts_with("/*") {
        return Some(text.find("*/").map_or(text.len(), |end| end + 2));
    }
    if let Some(rest) = text.strip_prefix('\'') {
        return Some(character(rest) + 1);
    }
    let prefix = ["br", "cr", "r", "b", "c", ""].into_iter().find(|prefix| {
        text.strip_prefix(prefix).is_some_and(|rest| rest.trim_start_matches('#').starts_with('"'))
    })?;
    let rest = &text[prefix.len()..];
    let hashes = rest.len() - rest.trim_start_matches('#').len();
    if hashes > 0 && !prefix.ends_with('r') {
        return None;
    }
    let body = &rest[hashes + 1..];
    let length = if prefix.ends_with('r') { raw(body, hashes) } else { quoted(body, '"') };
    Some(prefix.len() + hashes + 1 + length)
}

/// The length of a raw string after its opening quote.
fn raw(body: &str, hashes: usize) -> usize {
    let end = format!("\"{}", "#".repeat(hashes));
    body.find(&end).map_or(body.len(), |at| at + end.len())
}

/// The length of a literal after its opening quote, in which a backslash escapes.
fn quoted(body: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, sign) in body.char_indices() {
        if !escaped && sign == quote {
            return at + sign.len_utf8();
        }
        escaped = sign == '\\' && !escaped;
    }
    body.len()
}

/// The length of a character or a lifetime after its quote.
fn character(rest: &str) -> usize {
    let mut signs = rest.chars();
    match (signs.next(), signs.next()) {
        (Some('\\'), _) => quoted(rest, '\''),
        (Some(sign), Some('\'')) => sign.len_utf8() + 1,
        _ => name_length(rest),
    }
}
