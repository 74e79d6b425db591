//! The setting that holds a database URL. An error names the problem but must never repeat the URL,
//! which may hold a password.

use std::fmt;

use config::ValueKind;

use super::value::Setting;
use tidemill::database_url;

/// The URL of a Postgres; may contain its password.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PostgresUrl(pub String);

impl fmt::Debug for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}

impl Setting for PostgresUrl {
    const SECRET: bool = true;

    fn allowed() -> String {
        "a URL such as postgres://user:password@host:5432/database; for several servers \
         postgres://…@host1,host2/database"
            .into()
    }

    fn parse(text: &str) -> Option<Self> {
        database_url::parse(text).is_ok().then(|| Self(text.to_owned()))
    }

    fn fault(value: &ValueKind) -> Option<String> {
        match value {
            ValueKind::String(text) => database_url::parse(text).err(),
            _ => Some("it is not text".into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_hides_itself_and_its_fault_is_named() {
        let url = PostgresUrl::parse("postgres://u:hunter2@h/d").unwrap();
        assert_eq!(format!("{url:?}"), "(hidden)");
        assert!(PostgresUrl::parse("postgres://u:hunter2@h1,h2/d").is_some());
        let fault = PostgresUrl::fault(&ValueKind::String("h:hunter2/d".into())).unwrap();
        assert!(fault.contains("no scheme") && !fault.contains("hunter2"), "{fault}");
    }
}
