//! Writes the manual of all settings from their declarations. Must contain no facts of its own
//! about a setting.

use std::fmt::Write;

use super::place::Place;
use super::section::DeclaredSetting;

/// The most characters of a line of prose.
const LINE_CHARACTERS: usize = 100;

/// The manual of these sections as Markdown, after `prologue`.
#[must_use]
pub fn reference(prologue: &str, places: &[Place]) -> String {
    let mut text = prologue.to_owned();
    for place in places {
        let name = if place.named { ".NAME" } else { "" };
        let _ = write!(text, "\n## `[{}{name}]`\n\n{}\n\n", place.key, wrapped(place.about));
        text.push_str("| setting | value | default | meaning |\n| --- | --- | --- | --- |\n");
        rows(&mut text, "", place.fields);
    }
    text
}

fn rows(text: &mut String, prefix: &str, fields: &[DeclaredSetting]) {
    for field in fields {
        let key = format!("{prefix}{}", field.key);
        if !field.fields.is_empty() {
            rows(text, &format!("{key}."), field.fields);
            continue;
        }
        let default = field.default.map_or_else(|| "–".to_owned(), |default| format!("`{default}`"));
        let allowed = field.allowed_text().replace('|', "\\|");
        let _ = writeln!(text, "| `{key}` | {allowed} | {default} | {} |", flat(field.meaning));
    }
}

/// A doc comment as a paragraph.
fn wrapped(doc: &str) -> String {
    let mut lines = vec![String::new()];
    for word in doc.split_whitespace() {
        let Some(line) = lines.last_mut() else { break };
        if line.is_empty() {
            line.push_str(word);
        } else if line.chars().count() + word.chars().count() < LINE_CHARACTERS {
            let _ = write!(line, " {word}");
        } else {
            lines.push(word.to_owned());
        }
    }
    lines.join("\n")
}

/// A doc comment on one line.
fn flat(doc: &str) -> String {
    doc.split_whitespace().collect::<Vec<_>>().join(" ")
}
