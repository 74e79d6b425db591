//! Turns a declaration of settings into a struct, its reader and its rows in the manual, so that
//! the three cannot differ. Must name no setting itself.

use std::collections::HashMap;

use config::{Value, ValueKind};

use super::error::WrongSetting;
use super::value::Setting;

/// The keys of one section, as they came from all sources.
pub type Table = HashMap<String, Value>;

/// One declared setting.
pub struct DeclaredSetting {
    pub key: &'static str,
    pub meaning: &'static str,
    pub allowed: fn() -> String,
    /// Lowest and highest value, as text of the setting's own type.
    pub bounds: Option<(&'static str, &'static str)>,
    pub default: Option<&'static str>,
    /// True where the value is a table of free keys.
    pub is_table: bool,
    /// True where the value must not be shown.
    pub is_secret: bool,
    /// The settings of a section within a section; else empty.
    pub fields: &'static [DeclaredSetting],
}

impl DeclaredSetting {
    /// The allowed values, with their bounds.
    #[must_use]
    pub fn allowed_text(&self) -> String {
        match self.bounds {
            Some((low, high)) => format!("{}, from {low} to {high}", (self.allowed)()),
            None => (self.allowed)(),
        }
    }
}

/// A group of settings under one key.
pub trait Section: Sized {
    const ABOUT: &'static str;
    const FIELDS: &'static [DeclaredSetting];

    fn read(reader: &mut Reader<'_>) -> Self;
}

/// An entry of a section: a setting, or a section within it.
pub trait Entry: Sized {
    const IS_TABLE: bool = false;
    const IS_SECRET: bool = false;
    const FIELDS: &'static [DeclaredSetting] = &[];

    fn allowed() -> String;
    fn read(reader: &mut Reader<'_>, field: &'static DeclaredSetting) -> Self;
}

impl<T: Setting> Entry for T {
    const IS_TABLE: bool = T::IS_TABLE;
    const IS_SECRET: bool = T::SECRET;

    fn allowed() -> String {
        <T as Setting>::allowed()
    }

    fn read(reader: &mut Reader<'_>, field: &'static DeclaredSetting) -> Self {
        let bounds = field.bounds.map(|(low, high)| bound::<T>(low)..=bound::<T>(high));
        let within = |read: &T| bounds.as_ref().is_none_or(|bounds| bounds.contains(read));
        let Some(value) = reader.table.remove(field.key) else { return default_of(field) };
        let allowed = field.allowed_text();
        let message = match T::from_value(&value.kind) {
            Some(read) if within(&read) => return read,
            Some(_) => format!("is out of bounds; allowed: {allowed}"),
            None => {
                let fault = T::fault(&value.kind);
                let part =
                    fault.or_else(|| T::wrong_part(&value.kind).map(|part| format!("{part} is wrong")));
                let part = part.map(|part| format!(" ({part})"));
                format!("found {}{}; allowed: {allowed}", shown(&value.kind), part.unwrap_or_default())
            }
        };
        reader.report(&value, field.key, message);
        default_of(field)
    }
}

fn default_of<T: Setting>(field: &DeclaredSetting) -> T {
    let value = field.default.map_or_else(T::absent, T::parse);
    value.expect("a test reads every setting's default")
}

fn bound<T: Setting>(text: &str) -> T {
    T::parse(text).expect("a test reads every setting's bounds")
}

/// Reads the keys of one section one by one and collects their errors.
pub struct Reader<'a> {
    path: String,
    table: Table,
    /// The source of values without a source of their own: the file.
    file: &'a str,
    problems: &'a mut Vec<WrongSetting>,
}

impl<'a> Reader<'a> {
    pub fn new(table: Table, file: &'a str, problems: &'a mut Vec<WrongSetting>) -> Self {
        Self { path: String::new(), table, file, problems }
    }

    /// Reads the section under `key`.
    pub fn section<T: Section>(&mut self, key: &str) -> T {
        let mut inner = self.descend(key);
        let section = T::read(&mut inner);
        let keys: Vec<_> = T::FIELDS.iter().map(|field| field.key).collect();
        inner.refuse_rest(&keys);
        section
    }

    /// A reader for the table under `key`; an empty one if it is absent or no table.
    pub fn descend(&mut self, key: &str) -> Reader<'_> {
        let table = match self.table.remove(key) {
            None | Some(Value { kind: ValueKind::Nil, .. }) => Table::new(),
            Some(Value { kind: ValueKind::Table(table), .. }) => table.into_iter().collect(),
            Some(value) => {
                let found = shown(&value.kind);
                self.report(&value, key, format!("found {found}; allowed: a table of settings"));
                Table::new()
            }
        };
        Reader { path: self.path_of(key), table, file: self.file, problems: self.problems }
    }

    /// The keys of the table under `key`, which is left as it is.
    #[must_use]
    pub fn keys_of(&self, key: &str) -> Vec<String> {
        match self.table.get(key).map(|value| &value.kind) {
            Some(ValueKind::Table(table)) => table.keys().cloned().collect(),
            _ => Vec::new(),
        }
    }

    /// Drops what is under `key`; false if there is nothing.
    pub fn take(&mut self, key: &str) -> bool {
        self.table.remove(key).is_some()
    }

    /// The unread keys, in order.
    #[must_use]
    pub fn keys(&self) -> Vec<String> {
        let mut keys: Vec<_> = self.table.keys().cloned().collect();
        keys.sort();
        keys
    }

    /// Reports every key that nothing read.
    ///
    /// # Panics
    /// Never: it is checked before.
    pub fn refuse_rest(&mut self, known: &[&str]) {
        for key in self.keys() {
            let value = self.table.remove(&key).expect("the key was just listed");
            let message = match nearest(&key, known) {
                Some(name) => format!("no such setting; did you mean {name}?"),
                None => format!("no such setting; there are: {}", known.join(", ")),
            };
            self.report(&value, &key, message);
        }
    }

    /// Reports a problem with the value under `key`.
    pub fn report(&mut self, value: &Value, key: &str, message: String) {
        let origin = origin_of(value).unwrap_or(self.file).to_owned();
        self.problems.push(WrongSetting { origin, key: self.path_of(key), message });
    }

    /// Reports a problem of the section as a whole, or of `key` whatever its source.
    pub fn report_here(&mut self, key: &str, message: String) {
        let key = self.path_of(key);
        self.problems.push(WrongSetting { origin: self.file.to_owned(), key, message });
    }

    #[must_use]
    pub fn path_of(&self, key: &str) -> String {
        match (self.path.is_empty(), key.is_empty()) {
            (true, _) => key.to_owned(),
            (false, true) => self.path.clone(),
            (false, false) => format!("{}.{key}", self.path),
        }
    }
}

/// The source of a value, or of the first value within it.
#[must_use]
pub fn origin_of(value: &Value) -> Option<&str> {
    value.origin().or_else(|| match &value.kind {
        ValueKind::Table(table) => table.values().find_map(origin_of),
        _ => None,
    })
}

/// The known name that `key` is most likely a misspelling of.
#[must_use]
pub fn nearest<'n>(key: &str, known: &[&'n str]) -> Option<&'n str> {
    let distance = |name: &&str| strsim::damerau_levenshtein(&key.to_lowercase().replace('-', "_"), name);
    let best = known.iter().min_by_key(|name| distance(name))?;
    let starts = best.starts_with(key) || key.starts_with(*best);
    (distance(best) <= 2.max(best.len() / 3).min(4) || starts).then_some(best)
}

/// The sort of value that was found. Never the value itself: with a mistaken key it may be a secret.
fn shown(value: &ValueKind) -> &'static str {
    match value {
        ValueKind::Nil => "nothing",
        ValueKind::Table(_) => "a table",
        ValueKind::String(text) if text.is_empty() => "empty text",
        ValueKind::String(text) if text.trim() != text => "text with spaces around it",
        ValueKind::String(_) => "other text",
        ValueKind::Array(_) => "a list",
        ValueKind::Boolean(_) => "true or false",
        ValueKind::I64(_) | ValueKind::U64(_) | ValueKind::I128(_) | ValueKind::U128(_) => "a number",
        ValueKind::Float(_) => "a number with a decimal point",
    }
}

/// Declares a section:
/// `section! { /// About it. Name { /// Meaning. key: Type where "1"..="9" = "5"; } }`.
/// The default is text of the setting's type, or `none`, or `{}` for a section within the section.
#[macro_export]
macro_rules! section {
    (
        $(#[doc = $about:literal])+
        $name:ident {
            $(
                $(#[doc = $meaning:literal])+
                $key:ident: $type:ty $(where $low:literal..=$high:literal)? = $default:tt;
            )*
        }
    ) => {
        $(#[doc = $about])+
        #[derive(Debug, Clone, PartialEq)]
        pub struct $name {
            $(
                $(#[doc = $meaning])+
                pub $key: $type,
            )*
        }

        impl $crate::section::Section for $name {
            const ABOUT: &'static str = concat!($($about),+);
            const FIELDS: &'static [$crate::section::DeclaredSetting] = &[$(
                $crate::section::DeclaredSetting {
                    key: stringify!($key),
                    meaning: concat!($($meaning),+),
                    allowed: <$type as $crate::section::Entry>::allowed,
                    bounds: $crate::section!(@bounds $($low $high)?),
                    default: $crate::section!(@default $default),
                    is_table: <$type as $crate::section::Entry>::IS_TABLE,
                    is_secret: <$type as $crate::section::Entry>::IS_SECRET,
                    fields: <$type as $crate::section::Entry>::FIELDS,
                },
            )*];

            fn read(reader: &mut $crate::section::Reader<'_>) -> Self {
                let mut fields = <Self as $crate::section::Section>::FIELDS.iter();
                Self {$(
                    $key: $crate::section::Entry::read(
                        reader,
                        fields.next().expect("a field for every key"),
                    ),
                )*}
            }
        }
    };
    (@bounds) => { None };
    (@bounds $low:literal $high:literal) => { Some(($low, $high)) };
    (@default none) => { None };
    (@default {}) => { None };
    (@default $text:literal) => { Some($text) };
}
pub use crate::section;
