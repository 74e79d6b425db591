//! Lists every effective setting with its source, for a person who asks why a process behaves as it
//! does. Must never show a secret.

use config::{Value, ValueKind};
use serde::Serialize;

use super::place::Place;
use super::section::{DeclaredSetting, Table, origin_of};

const HIDDEN: &str = "(hidden)";
const DEFAULT: &str = "default";

/// One effective setting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Effective {
    /// Its whole key, such as `api.listen`.
    pub key: String,
    /// Its value in written form; empty if it is absent.
    pub value: Option<String>,
    /// `default`, the file, `.env` or `environment` with the variable, or the flag.
    pub source: String,
}

impl Effective {
    /// True if it has its default.
    #[must_use]
    pub fn is_default(&self) -> bool {
        self.source == DEFAULT
    }
}

/// All settings, in the order of the manual. `file` is the source of values without a source of their own.
pub fn all(places: &[Place], tree: &Table, file: &str) -> Vec<Effective> {
    let mut lister = Lister { places, file, found: Vec::new() };
    for place in places {
        let section = section_of(tree, place.key);
        if place.named {
            for name in section.map(keys).unwrap_or_default() {
                let inner = section.and_then(|section| child(section, &name));
                lister.fields(&format!("{}.{name}", place.key), place.fields, inner);
            }
        } else {
            lister.fields(place.key, place.fields, section);
        }
    }
    lister.found
}

fn section_of<'a>(tree: &'a Table, key: &str) -> Option<&'a Value> {
    match key.split_once('.') {
        Some((outer, inner)) => child(tree.get(outer)?, inner),
        None => tree.get(key),
    }
}

struct Lister<'a> {
    places: &'a [Place],
    file: &'a str,
    found: Vec<Effective>,
}

impl Lister<'_> {
    fn fields(&mut self, path: &str, fields: &[DeclaredSetting], section: Option<&Value>) {
        for field in fields {
            let key = format!("{path}.{}", field.key);
            // A section with its own entry is listed there.
            if self.places.iter().any(|place| place.key == key) {
                continue;
            }
            let value = section.and_then(|section| child(section, field.key));
            if field.fields.is_empty() {
                self.setting(key, field, value);
            } else {
                self.fields(&key, field.fields, value);
            }
        }
    }

    fn setting(&mut self, key: String, field: &DeclaredSetting, value: Option<&Value>) {
        let Some(value) = value.filter(|value| !matches!(value.kind, ValueKind::Nil)) else {
            let value = field.default.map(str::to_owned);
            self.found.push(Effective { key, value, source: DEFAULT.to_owned() });
            return;
        };
        let source = origin_of(value).unwrap_or(self.file).to_owned();
        // Free keys may hold anything, such as the variables of a command; who knows a webhook's address may call it.
        let is_hidden = field.is_secret || field.is_table || field.key == "webhook";
        let shown = if is_hidden { hidden(value) } else { written(value) };
        self.found.push(Effective { key, value: Some(shown), source });
    }
}

fn child<'a>(value: &'a Value, key: &str) -> Option<&'a Value> {
    match &value.kind {
        ValueKind::Table(table) => table.get(key),
        _ => None,
    }
}

fn keys(value: &Value) -> Vec<String> {
    match &value.kind {
        ValueKind::Table(table) => {
            let mut keys: Vec<_> = table.keys().cloned().collect();
            keys.sort();
            keys
        }
        _ => Vec::new(),
    }
}

/// The names of a table, without their values.
fn hidden(value: &Value) -> String {
    match keys(value) {
        keys if keys.is_empty() => HIDDEN.to_owned(),
        keys => keys.iter().map(|key| format!("{key}: {HIDDEN}")).collect::<Vec<_>>().join(", "),
    }
}

/// A value in written form, without the password of an address.
fn written(value: &Value) -> String {
    match &value.kind {
        ValueKind::Nil => String::new(),
        ValueKind::Array(items) => format!("[{}]", items.iter().map(written).collect::<Vec<_>>().join(", ")),
        ValueKind::Table(table) => {
            let mut fields: Vec<_> =
                table.iter().map(|(key, value)| format!("{key}: {}", written(value))).collect();
            fields.sort();
            format!("{{{}}}", fields.join(", "))
        }
        ValueKind::String(text) => without_password(text),
        other => other.to_string(),
    }
}

fn without_password(text: &str) -> String {
    let Ok(mut url) = url::Url::parse(text) else { return text.to_owned() };
    if url.password().is_none() || url.set_password(Some("hidden")).is_err() {
        return text.to_owned();
    }
    url.into()
}
