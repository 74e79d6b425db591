//! Describes a page in words. Must never cut or quote a text before its secrets are covered: a part
//! of a secret cannot be recognised afterwards.

use std::fmt::Write;

use serde::Deserialize;
use serde_json::{Value, json};

use super::secret_mask::SecretMask;

/// How much of a text is shown at once.
pub(super) const TEXT_CHARACTERS: usize = 6_000;
/// How much of the text of a page can be read at all, in units of UTF-16 as the page counts.
const READABLE_UNITS: usize = 500_000;
/// The same for a title, a label or a value.
const LINE_UNITS: usize = 200;
const TITLE_CHARACTERS: usize = 200;
const LABEL_CHARACTERS: usize = 100;
const OPTION_CHARACTERS: usize = 60;
const MOST_ELEMENTS: usize = 150;
const MOST_OPTIONS: usize = 50;

/// The content of a page, unfiltered.
#[derive(Deserialize)]
pub(super) struct Seen {
    url: String,
    title: String,
    text: String,
    elements: Vec<Element>,
}

/// The content of a page, without secrets.
#[derive(Debug, Clone)]
pub(super) struct Observation {
    pub(super) url: String,
    pub(super) title: String,
    text: String,
    elements: Vec<Element>,
}

#[derive(Debug, Clone, Deserialize)]
struct Element {
    #[serde(rename = "element")]
    number: u32,
    role: String,
    label: String,
    kind: Option<String>,
    value: Option<String>,
    options: Option<Vec<String>>,
}

impl Seen {
    /// How much of a page is read: of each text more than is shown, by the length of the longest secret.
    pub(super) fn limits(mask: &SecretMask) -> Value {
        json!({
            "elements": MOST_ELEMENTS,
            "options": MOST_OPTIONS,
            "line": LINE_UNITS + mask.reach(),
            "text": READABLE_UNITS + mask.reach(),
        })
    }

    /// The same without secrets, then shortened.
    pub(super) fn covered(self, mask: &SecretMask) -> Observation {
        let short = |text: &str, most: usize| shortened(&covered(text, LINE_UNITS, mask), most);
        let safe = |element: Element| Element {
            role: short(&element.role, LABEL_CHARACTERS),
            label: short(&element.label, LABEL_CHARACTERS),
            value: element.value.map(|value| short(&value, LABEL_CHARACTERS)),
            options: element
                .options
                .map(|options| options.iter().map(|option| short(option, OPTION_CHARACTERS)).collect()),
            ..element
        };
        let text = covered(&self.text, READABLE_UNITS, mask);
        let lines = text.lines().map(one_line).filter(|line| !line.is_empty());
        Observation {
            url: mask.cover(&self.url),
            title: short(&self.title, TITLE_CHARACTERS),
            text: lines.collect::<Vec<_>>().join("\n"),
            elements: self.elements.into_iter().map(safe).collect(),
        }
    }
}

impl Observation {
    /// The page in words.
    pub(super) fn words(&self) -> String {
        let mut words = format!("URL: {}\nTitle: {}\nElements:\n", self.url, self.title);
        for element in &self.elements {
            let _ = writeln!(words, "[{}] {}", element.number, element.words());
        }
        let text = self.text_from(0);
        let more = if text.len() < self.text.len() { " (cut; use read for more)" } else { "" };
        let _ = write!(words, "Text{more}:\n{text}");
        words
    }

    /// Its text from a character on.
    pub(super) fn text_from(&self, from: usize) -> String {
        self.text.chars().skip(from).take(TEXT_CHARACTERS).collect()
    }

    /// The properties that identify an element.
    pub(super) fn target(&self, number: u32) -> Option<String> {
        let found = self.elements.iter().find(|element| element.number == number)?;
        Some(format!("{} {:?}", found.role, found.label))
    }
}

impl Element {
    fn words(&self) -> String {
        let mut words = format!("{} {:?}", self.role, self.label);
        if let Some(kind) = &self.kind {
            let _ = write!(words, " ({kind})");
        }
        if let Some(value) = &self.value {
            let _ = write!(words, " value={value:?}");
        }
        if let Some(options) = &self.options {
            let _ = write!(words, " options={options:?}");
        }
        words
    }
}

/// A text without secrets, read up to the limits.
fn covered(text: &str, units: usize, mask: &SecretMask) -> String {
    let reach = mask.reach();
    let covered = mask.cover(text);
    if text.encode_utf16().count() < units + reach {
        return covered;
    }
    // The text was cut, perhaps within a secret.
    let whole = covered.chars().count().saturating_sub(reach);
    covered.chars().take(whole).collect()
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A text on one line, of at most this number of characters.
fn shortened(text: &str, most: usize) -> String {
    let line = one_line(text);
    match line.char_indices().nth(most) {
        Some((cut, _)) => format!("{}…", &line[..cut]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::args::SessionData;

    const SECRET: &str = "a\"b\\c  d/e-0123456789";

    /// A page that shows its secret at such a distance, in each of its texts.
    fn observed(distance: usize) -> Observation {
        let mut session = SessionData::default();
        session.secrets.insert("secret".into(), SECRET.into());
        let text = format!("{} {SECRET} end", "x".repeat(distance));
        let element =
            json!({"element": 1, "role": "select", "label": text, "value": text, "options": [text]});
        let encoded = url::form_urlencoded::byte_serialize(SECRET.as_bytes()).collect::<String>();
        let page = json!({"url": format!("https://x/?{encoded}"), "title": text, "text": text, "elements": [element]});
        serde_json::from_value::<Seen>(page).unwrap().covered(&SecretMask::new(&session))
    }

    #[test]
    fn a_secret_is_covered_before_it_is_cut_or_quoted() {
        // Each cut once in its middle.
        for most in [OPTION_CHARACTERS, LABEL_CHARACTERS, TITLE_CHARACTERS, TEXT_CHARACTERS] {
            let page = observed(most - 8);
            for words in
                [page.words(), page.target(1).unwrap(), page.text_from(most), page.text_from(most - 4)]
            {
                for part in ["a\"b", "a\\\"b", "b\\c", "e-0", "6789"] {
                    assert!(!words.contains(part), "{part} in {words}");
                }
            }
        }
        assert!(observed(0).words().starts_with("URL: https://x/?[redacted]\n"), "{}", observed(0).words());
        assert_eq!(observed(0).text_from(0), "[redacted] end");
    }

    #[test]
    fn what_the_page_itself_cut_shows_no_part_either() {
        let mut session = SessionData::default();
        session.secrets.insert("secret".into(), SECRET.into());
        let mask = SecretMask::new(&session);
        // So many that the text is short once they are covered, and the last one is cut.
        let text = SECRET.repeat(100);
        let line: String = text.chars().take(LINE_UNITS + mask.reach()).collect();
        let page = json!({"url": "https://x/", "title": line, "text": "", "elements": []});
        let title = serde_json::from_value::<Seen>(page).unwrap().covered(&mask).title;
        assert!(!title.contains("a\"b"), "{title}");
    }

    #[test]
    fn a_long_text_says_that_there_is_more() {
        let page = observed(TEXT_CHARACTERS);
        assert!(
            page.words().contains("(cut; use read for more)")
                && page.text_from(TEXT_CHARACTERS + 1).ends_with("end")
        );
        assert!(!observed(0).words().contains("(cut"));
    }
}
