//! The types of settings that only a config has: sizes, names, addresses, secrets. A secret's
//! `Debug` must never show it.

use axum::http::{HeaderName, HeaderValue};
use chrono::{DateTime, Utc};
use config::ValueKind;
use serde_json::{Map, Value};
use url::Url;

use super::json::json;
use super::value::Setting;
pub use tidemill::job::limits::is_name;
use tidemill::job::number::Carried;
use tidemill::job::priority;
use tidemill::vault::Keyring;

/// The rule for the names of queues and kinds.
pub const NAME_RULE: &str = "a name of 1 to 63 letters (a-z, A-Z), digits, dots, underscores and hyphens that starts with a letter or digit";

/// A text with a rule of its own. `secret` ones hide themselves.
#[macro_export]
macro_rules! text_type {
    ($(#[doc = $doc:literal])+ $name:ident, $allowed:expr, $valid:expr) => {
        $crate::text_type!(@ $(#[doc = $doc])+ $name, $allowed, $valid, false);

        impl ::std::fmt::Debug for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                ::std::fmt::Debug::fmt(&self.0, f)
            }
        }
    };
    ($(#[doc = $doc:literal])+ secret $name:ident, $allowed:expr, $valid:expr) => {
        $crate::text_type!(@ $(#[doc = $doc])+ $name, $allowed, $valid, true);

        impl ::std::fmt::Debug for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.write_str("(hidden)")
            }
        }
    };
    (@ $(#[doc = $doc:literal])+ $name:ident, $allowed:expr, $valid:expr, $secret:literal) => {
        $(#[doc = $doc])+
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
        pub struct $name(pub String);

        impl $crate::value::Setting for $name {
            const SECRET: bool = $secret;

            fn allowed() -> String {
                $allowed.into()
            }

            fn parse(text: &str) -> Option<Self> {
                let valid: fn(&str) -> bool = $valid;
                valid(text).then(|| Self(text.to_owned()))
            }
        }
    };
}

pub use crate::text_type;

text_type!(/** The name of a queue. */ QueueName, NAME_RULE, is_name);
text_type!(
    /** An unquoted Postgres identifier that is no schema of Postgres' own. */
    SchemaName,
    "lower-case letters, digits and underscores, at most 63, not starting with a digit or pg_",
    |text| {
        text.len() <= 63
            && !text.starts_with("pg_")
            && text.starts_with(|first: char| first.is_ascii_lowercase() || first == '_')
            && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
    }
);
text_type!(
    /** The address of a handler that is called over HTTP. */
    HttpUrl,
    "an http:// or https:// URL with a host",
    |text| Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
);
text_type!(
    /** A host name as it stands in a `Host` header. */
    HostName,
    "a host name or IP address, without scheme, port or path",
    |text| url::Host::parse(text).is_ok()
);
text_type!(
    /** The key of a limit for which jobs count. */
    LimitKey,
    "the name of a limit, or name:key, of 1 to 255 characters",
    |text| text.chars().count() <= 255
        && !text.chars().any(char::is_control)
        && text.split(':').next().is_some_and(is_name)
);
text_type!(
    /** Whose jobs they are. */
    FairKey,
    "text of 1 to 255 characters",
    |text| (1..=255).contains(&text.chars().count()) && !text.chars().any(char::is_control)
);
text_type!(
    /** The class (`type`) of an error. */
    ErrorClass,
    "text of 1 to 200 characters",
    |text| (1..=200).contains(&text.chars().count()) && !text.chars().any(char::is_control)
);
text_type!(
    /** Where object storage is. */
    StorageUrl,
    "a URL such as s3://bucket/prefix, gs://bucket, az://container or file:///folder",
    |text| Url::parse(text).is_ok_and(|url| {
        matches!(url.scheme(), "s3" | "s3a" | "gs" | "az" | "azure" | "abfs" | "abfss" | "file")
    })
);
text_type!(
    /** A key that seals, with its name. */
    secret SealingKey,
    "name:base64 of 32 bytes",
    |text| Keyring::read(&[text.to_owned()]).is_ok()
);
text_type!(/** A key that only the two ends know. */ secret Secret, "text", |text| !text.is_empty());
text_type!(
    /** The name of an HTTP header. */
    Header,
    "a header's name",
    |text| HeaderName::try_from(text).is_ok()
);
text_type!(
    /** The value of an HTTP header, which may be a credential. */
    secret HeaderText,
    "visible text",
    |text| HeaderValue::try_from(text).is_ok()
);
text_type!(
    /** The name of an environment variable. */
    VariableName,
    "a variable's name",
    |text| !text.is_empty() && !text.contains(['=', '\0'])
);
text_type!(
    /** The value of an environment variable, which may be a credential. */
    secret VariableText,
    "text",
    |text| !text.contains('\0')
);
text_type!(
    /** Which missed slots of a schedule fire. */
    MissedWord,
    "skip, one or all",
    |text| ["skip", "one", "all"].contains(&text)
);
text_type!(
    /** What a schedule does while an earlier job is not finished. */
    OverlapWord,
    "skip, queue, allow or cancel",
    |text| ["skip", "queue", "allow", "cancel"].contains(&text)
);

/// A moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd)]
pub struct Time(pub DateTime<Utc>);

impl Setting for Time {
    fn allowed() -> String {
        "a time with its offset, such as 2030-01-31T08:00:00Z".into()
    }

    fn parse(text: &str) -> Option<Self> {
        DateTime::parse_from_rfc3339(text).ok().map(|time| Self(time.with_timezone(&Utc)))
    }
}

/// The input of a job, or another free table.
#[derive(Debug, Clone, PartialEq)]
pub struct JobArgs(pub Map<String, Value>);

impl PartialOrd for JobArgs {
    /// Objects have no order, and so no bounds.
    fn partial_cmp(&self, _: &Self) -> Option<std::cmp::Ordering> {
        None
    }
}

impl Setting for JobArgs {
    /// They may hold anything.
    const SECRET: bool = true;

    fn allowed() -> String {
        "a table, or a JSON object as text".into()
    }

    fn parse(text: &str) -> Option<Self> {
        match serde_json::from_str::<Carried>(text).ok()?.kept().ok()? {
            Value::Object(object) => Some(Self(object)),
            _ => None,
        }
    }

    fn from_value(value: &ValueKind) -> Option<Self> {
        match value {
            ValueKind::Table(_) => match json(value)? {
                Value::Object(object) => Some(Self(object)),
                _ => None,
            },
            ValueKind::String(text) => Self::parse(text),
            _ => None,
        }
    }
}

/// A number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(pub u64);

impl Setting for ByteSize {
    fn allowed() -> String {
        "a size such as 64KiB, 512MiB or 2GiB, or a number of bytes".into()
    }

    fn parse(text: &str) -> Option<Self> {
        let digits = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let factor: u64 = match unit.trim_start() {
            "" | "B" => 1,
            "kB" | "KB" => 1000,
            "MB" => 1000_u64.pow(2),
            "GB" => 1000_u64.pow(3),
            "KiB" => 1 << 10,
            "MiB" => 1 << 20,
            "GiB" => 1 << 30,
            "TiB" => 1 << 40,
            _ => return None,
        };
        // Postgres and the kernel count in signed numbers.
        number
            .parse::<u64>()
            .ok()?
            .checked_mul(factor)
            .filter(|bytes| i64::try_from(*bytes).is_ok())
            .map(Self)
    }

    fn from_value(value: &ValueKind) -> Option<Self> {
        match value {
            ValueKind::I64(bytes) => u64::try_from(*bytes).ok().map(Self),
            ValueKind::String(text) => Self::parse(text),
            _ => None,
        }
    }
}

/// 1 (first) to 9.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Priority(pub i16);

impl Setting for Priority {
    fn allowed() -> String {
        "1 (first) to 9, or critical (1), high (3), normal (5), low (7)".into()
    }

    fn parse(text: &str) -> Option<Self> {
        let number = priority::named(text).or_else(|| text.parse().ok())?;
        (1..=9).contains(&number).then_some(Self(number))
    }

    fn from_value(value: &ValueKind) -> Option<Self> {
        match value {
            ValueKind::I64(number) => Self::parse(&number.to_string()),
            ValueKind::String(text) => Self::parse(text),
            _ => None,
        }
    }
}

/// A command's exit code other than success.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ExitCode(pub i32);

impl Setting for ExitCode {
    fn allowed() -> String {
        "an exit code from 1 to 255".into()
    }

    fn parse(text: &str) -> Option<Self> {
        text.parse().ok().filter(|code| (1..=255).contains(code)).map(Self)
    }

    fn from_value(value: &ValueKind) -> Option<Self> {
        i32::from_value(value).filter(|code| (1..=255).contains(code)).map(Self)
    }
}

/// A program and its arguments; no shell reads them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd)]
pub struct Words(pub Vec<String>);

impl Setting for Words {
    fn allowed() -> String {
        "a list of the program and its arguments, such as [\"cargo\", \"build\"]; no shell reads it".into()
    }

    fn parse(text: &str) -> Option<Self> {
        Self::checked(serde_json::from_str(text).ok()?)
    }

    fn from_value(value: &ValueKind) -> Option<Self> {
        match value {
            ValueKind::Array(items) => {
                let words = items.iter().map(|item| match &item.kind {
                    ValueKind::String(word) => Some(word.clone()),
                    _ => None,
                });
                Self::checked(words.collect::<Option<_>>()?)
            }
            ValueKind::String(text) => Self::parse(text),
            _ => None,
        }
    }
}

impl Words {
    fn checked(words: Vec<String>) -> Option<Self> {
        let program = words.first()?;
        let valid = !program.is_empty() && words.iter().all(|word| !word.contains('\0'));
        valid.then_some(Self(words))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_binary_and_decimal_units() {
        assert_eq!(ByteSize::parse("64MiB"), Some(ByteSize(64 << 20)));
        assert_eq!(ByteSize::parse("1 kB"), Some(ByteSize(1000)));
        assert_eq!(ByteSize::parse("512"), Some(ByteSize(512)));
        for bad in ["", "MiB", "-1", "1.5GiB", "64 mib", "99999999999TiB"] {
            assert_eq!(ByteSize::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn names_are_plain() {
        for good in ["a", "build-crate", "Tenant.A_1", "0"] {
            assert!(is_name(good), "{good}");
        }
        let long = "a".repeat(64);
        for bad in ["", "-a", ".a", "a b", "ü", "a/b", &long] {
            assert!(!is_name(bad), "{bad}");
        }
    }

    #[test]
    fn a_command_is_a_list() {
        assert!(Words::from_value(&ValueKind::String("cargo build".into())).is_none());
        assert_eq!(Words::parse(r#"["a", "b"]"#), Some(Words(vec!["a".into(), "b".into()])));
        assert!(Words::parse("[]").is_none());
    }
}
