//! Session: what every statement finds set, and how it comes to be set: for as long as a connection lives,
//! or, behind a pooler in transaction mode, anew in each transaction. Nothing else may rest on a session.

use std::str::FromStr;

use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, SqlSafeStr as _, SqlStr};

use super::{Error, Options, Result};

/// Names of settings, and their values.
pub(super) type Settings<'a> = &'a [(&'a str, &'a str)];

impl Options {
    /// Where a connection is to be had that nobody else uses; `None` where all lead through a pooler.
    pub(super) fn direct_url(&self) -> Option<&str> {
        self.listen_url.as_deref().or_else(|| (!self.pgbouncer).then_some(self.url.as_str()))
    }
}

/// A connection of our own, which keeps its settings.
pub(super) fn direct(options: &Options, url: &str, more: Settings<'_>) -> Result<PgConnectOptions> {
    Ok(read(url)?
        .options([("default_transaction_isolation", "read committed"), ("TimeZone", "UTC")])
        .options(settings(options))
        .options(more.iter().copied()))
}

/// A connection through a pooler. It asks for nothing that a pooler would have to know.
pub(super) fn pooled(options: &Options) -> Result<PgConnectOptions> {
    Ok(read(&options.url)?.extra_float_digits(None))
}

/// The statement that begins a transaction with its settings.
pub(super) fn opening(options: &Options, more: Settings<'_>) -> SqlStr {
    let quoted = |text: &str| format!("'{}'", text.replace('\'', "''"));
    let more = more.iter().map(|(name, value)| (*name, (*value).to_owned()));
    let set: Vec<String> = settings(options)
        .into_iter()
        .chain(more)
        .map(|(name, value)| format!("set_config({}, {}, true)", quoted(name), quoted(&value)))
        .collect();
    AssertSqlSafe(format!("begin isolation level read committed; select {}", set.join(", "))).into_sql_str()
}

fn read(url: &str) -> Result<PgConnectOptions> {
    let connect = PgConnectOptions::from_str(url).map_err(|source| Error::BadUrl { source })?;
    Ok(connect.application_name("tidemill"))
}

fn settings(options: &Options) -> [(&'static str, String); 4] {
    let timeout = options.statement_timeout.as_millis().to_string();
    [
        ("search_path", options.schema.clone()),
        ("statement_timeout", timeout.clone()),
        ("idle_in_transaction_session_timeout", timeout),
        ("jit", "off".to_owned()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transaction_brings_its_settings_and_quotes_them() {
        let options = Options { schema: "it's".into(), pgbouncer: true, ..Options::new("postgres://h/d") };
        let text = opening(&options, &[("synchronous_commit", "on")]).as_str().to_owned();
        assert!(text.starts_with("begin isolation level read committed; select set_config("), "{text}");
        for part in [
            "'search_path', 'it''s', true",
            "'statement_timeout', '30000', true",
            "'synchronous_commit', 'on', true",
        ] {
            assert!(text.contains(part), "{part} is not in {text}");
        }
    }

    #[test]
    fn behind_a_pooler_only_a_listen_url_is_direct() {
        let plain = Options::new("postgres://h/d");
        assert_eq!(plain.direct_url(), Some("postgres://h/d"));
        let pooled = Options { pgbouncer: true, ..plain };
        assert_eq!(pooled.direct_url(), None);
        let both = Options { listen_url: Some("postgres://h:1/d".into()), ..pooled };
        assert_eq!(both.direct_url(), Some("postgres://h:1/d"));
    }
}
