//! Reads the value of one setting, from a file's value or from text (environment, flags, defaults).
//! Knows neither keys nor files, and must never let a doubtful value through.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use config::ValueKind;

/// A type that a setting can have.
pub trait Setting: Sized + PartialOrd {
    /// True where the value must not be shown in an error.
    const SECRET: bool = false;
    /// True for a table of free keys, so that an environment variable can name one of them.
    const IS_TABLE: bool = false;

    /// The allowed values, for a person: "a duration with its unit, such as 30s".
    fn allowed() -> String;

    /// Reads text.
    fn parse(text: &str) -> Option<Self>;

    /// Reads a value of a file; text unless the type says otherwise.
    #[must_use]
    fn from_value(value: &ValueKind) -> Option<Self> {
        match value {
            ValueKind::String(text) => Self::parse(text),
            _ => None,
        }
    }

    /// The wrong part of a value with several parts, without its content.
    #[must_use]
    fn wrong_part(_value: &ValueKind) -> Option<String> {
        None
    }

    /// The value of an absent setting without a default.
    #[must_use]
    fn absent() -> Option<Self> {
        None
    }

    /// The error in a value that must not be shown, without any part of the value.
    #[must_use]
    fn fault(_value: &ValueKind) -> Option<String> {
        None
    }
}

impl<T: Setting> Setting for Option<T> {
    const SECRET: bool = T::SECRET;

    fn fault(value: &ValueKind) -> Option<String> {
        T::fault(value)
    }

    fn allowed() -> String {
        T::allowed()
    }

    fn parse(text: &str) -> Option<Self> {
        T::parse(text).map(Some)
    }

    fn from_value(value: &ValueKind) -> Option<Self> {
        match value {
            ValueKind::Nil => Some(None),
            value => T::from_value(value).map(Some),
        }
    }

    fn wrong_part(value: &ValueKind) -> Option<String> {
        T::wrong_part(value)
    }

    fn absent() -> Option<Self> {
        Some(None)
    }
}

impl Setting for bool {
    fn allowed() -> String {
        "true or false".into()
    }

    fn parse(text: &str) -> Option<Self> {
        text.parse().ok()
    }

    fn from_value(value: &ValueKind) -> Option<Self> {
        match value {
            ValueKind::Boolean(value) => Some(*value),
            ValueKind::String(text) => Self::parse(text),
            _ => None,
        }
    }
}

macro_rules! whole_number {
    ($($type:ty),+) => {$(
        impl Setting for $type {
            fn allowed() -> String {
                "a whole number".into()
            }

            fn parse(text: &str) -> Option<Self> {
                text.parse().ok()
            }

            fn from_value(value: &ValueKind) -> Option<Self> {
                match value {
                    ValueKind::I64(value) => (*value).try_into().ok(),
                    ValueKind::U64(value) => (*value).try_into().ok(),
                    ValueKind::String(text) => Self::parse(text),
                    _ => None,
                }
            }
        }
    )+};
}
whole_number!(i32, u32, u64);

impl Setting for f64 {
    fn allowed() -> String {
        "a number".into()
    }

    fn parse(text: &str) -> Option<Self> {
        text.parse().ok().filter(|value: &Self| value.is_finite())
    }

    fn from_value(value: &ValueKind) -> Option<Self> {
        match value {
            ValueKind::Float(value) => value.is_finite().then_some(*value),
            ValueKind::I64(value) => i32::try_from(*value).ok().map(Self::from),
            ValueKind::String(text) => Self::parse(text),
            _ => None,
        }
    }
}

impl Setting for Duration {
    fn allowed() -> String {
        "a duration with its unit, such as 200ms, 30s, 50m or 1h30m".into()
    }

    fn parse(text: &str) -> Option<Self> {
        humantime::parse_duration(text).ok()
    }
}

impl Setting for String {
    fn allowed() -> String {
        "text".into()
    }

    fn parse(text: &str) -> Option<Self> {
        (!text.is_empty() && !text.contains('\0')).then(|| text.to_owned())
    }
}

impl Setting for PathBuf {
    fn allowed() -> String {
        "a path; a relative one starts at the config file's folder".into()
    }

    fn parse(text: &str) -> Option<Self> {
        String::parse(text).map(Self::from)
    }
}

impl Setting for SocketAddr {
    fn allowed() -> String {
        "an IP address with a port, such as 127.0.0.1:8080 or [::1]:8080".into()
    }

    fn parse(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

impl<T: Setting> Setting for Vec<T> {
    fn allowed() -> String {
        format!("a list, each {}", T::allowed())
    }

    fn parse(text: &str) -> Option<Self> {
        items_of(text).iter().map(|item| T::parse(item)).collect()
    }

    fn wrong_part(value: &ValueKind) -> Option<String> {
        let wrong = match value {
            ValueKind::Array(items) => items.iter().position(|item| T::from_value(&item.kind).is_none()),
            ValueKind::String(text) => items_of(text).iter().position(|item| T::parse(item).is_none()),
            _ => None,
        };
        wrong.map(|at| format!("entry {}", at + 1))
    }

    fn from_value(value: &ValueKind) -> Option<Self> {
        match value {
            ValueKind::Array(items) => items.iter().map(|item| T::from_value(&item.kind)).collect(),
            ValueKind::String(text) => Self::parse(text),
            _ => None,
        }
    }
}

/// The entries of a list that is written as text: `a, b`, or `["a", "b"]` as JSON.
fn items_of(text: &str) -> Vec<String> {
    let text = text.trim();
    if text.is_empty() {
        return Vec::new();
    }
    if let Ok(items) = serde_json::from_str::<Vec<serde_json::Value>>(text) {
        let word = |item: serde_json::Value| item.as_str().map_or_else(|| item.to_string(), str::to_owned);
        return items.into_iter().map(word).collect();
    }
    text.split(',').map(|item| item.trim().to_owned()).collect()
}

impl<K: Setting + Ord, V: Setting> Setting for BTreeMap<K, V> {
    const IS_TABLE: bool = true;
    const SECRET: bool = V::SECRET;

    fn allowed() -> String {
        format!("a table; its keys: {}; its values: {}", K::allowed(), V::allowed())
    }

    fn parse(text: &str) -> Option<Self> {
        let table: BTreeMap<String, String> = serde_json::from_str(text).ok()?;
        table.iter().map(|(key, value)| Some((K::parse(key)?, V::parse(value)?))).collect()
    }

    fn from_value(value: &ValueKind) -> Option<Self> {
        match value {
            ValueKind::String(text) => Self::parse(text),
            ValueKind::Table(table) => {
                table.iter().map(|(key, value)| Some((K::parse(key)?, V::from_value(&value.kind)?))).collect()
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_need_a_unit() {
        assert_eq!(Duration::parse("1h30m"), Some(Duration::from_mins(90)));
        assert_eq!(Duration::parse("200ms"), Some(Duration::from_millis(200)));
        assert_eq!(Duration::parse("30"), None);
        assert_eq!(Duration::from_value(&ValueKind::I64(30)), None);
    }

    #[test]
    fn numbers_do_not_wrap() {
        assert_eq!(u32::from_value(&ValueKind::I64(-1)), None);
        assert_eq!(u32::from_value(&ValueKind::I64(i64::from(u32::MAX) + 1)), None);
        assert_eq!(f64::from_value(&ValueKind::Float(f64::NAN)), None);
    }

    #[test]
    fn lists_are_read_from_text_too() {
        assert_eq!(Vec::<u32>::parse("1, 2"), Some(vec![1, 2]));
        assert_eq!(Vec::<u32>::parse(""), Some(vec![]));
        assert_eq!(Vec::<u32>::parse("1,x"), None);
        assert_eq!(Vec::<String>::parse(r#"["a", "b,c"]"#), Some(vec!["a".into(), "b,c".into()]));
        assert_eq!(Vec::<String>::parse("[::1]"), Some(vec!["[::1]".into()]));
        let wrong = ValueKind::String("1,x".into());
        assert_eq!(Vec::<u32>::wrong_part(&wrong).as_deref(), Some("entry 2"));
        let table = BTreeMap::<String, String>::parse(r#"{"a": "b"}"#);
        assert_eq!(table, Some(BTreeMap::from([("a".into(), "b".into())])));
    }
}
