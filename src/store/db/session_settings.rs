//! The session settings of every statement, and how they are set: for the lifetime of a connection,
//! or, behind a pooler in transaction mode, again in each transaction. Nothing else may depend on a
//! session.

use std::str::FromStr;
use std::sync::Once;

use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, Executor as _, PgConnection, SqlSafeStr as _, SqlStr};

use crate::database_url;
use crate::store::{Error, Options, Result};

/// Names of settings, and their values.
pub(crate) type Settings<'a> = &'a [(&'a str, &'a str)];

impl Options {
    /// The URL of a direct connection; `None` if all connections go through a pooler.
    pub(crate) fn direct_url(&self) -> Option<&str> {
        self.listen_url.as_deref().or_else(|| (!self.pgbouncer).then_some(self.url.as_str()))
    }
}

/// These override the settings of the role, the database and the server, so that each statement works the
/// same everywhere and no setting for other programs ends it early. `default_transaction_read_only` is left
/// unchanged: operators and providers set it to protect a full disk.
const PINNED: &[(&str, &str)] = &[
    ("default_transaction_isolation", "read committed"),
    ("default_transaction_deferrable", "off"),
    ("idle_session_timeout", "0"),
    ("lock_timeout", "0"),
    ("client_min_messages", "notice"),
    ("exit_on_error", "off"),
    ("TimeZone", "UTC"),
    ("IntervalStyle", "postgres"),
    ("bytea_output", "hex"),
    ("xmloption", "content"),
    ("array_nulls", "on"),
    ("transform_null_equals", "off"),
    ("standard_conforming_strings", "on"),
    ("quote_all_identifiers", "off"),
    ("check_function_bodies", "on"),
    ("row_security", "on"),
    ("plan_cache_mode", "auto"),
    ("constraint_exclusion", "partition"),
    ("from_collapse_limit", "8"),
    ("join_collapse_limit", "8"),
    ("gin_fuzzy_search_limit", "0"),
    ("enable_indexscan", "on"),
    ("enable_indexonlyscan", "on"),
    ("enable_bitmapscan", "on"),
    ("enable_seqscan", "on"),
    ("enable_nestloop", "on"),
    ("enable_hashjoin", "on"),
    ("enable_mergejoin", "on"),
    ("enable_hashagg", "on"),
    ("enable_sort", "on"),
    ("enable_material", "on"),
    ("enable_partition_pruning", "on"),
    ("jit", "off"),
];

/// Further settings, which some servers do not know or do not allow every login to set: changed only if the
/// value differs.
const PINNED_IF_KNOWN: &str = "
    select set_config(pinned.name, pinned.value, false)
    from (values ('transaction_timeout', '0'), ('restrict_nonsystem_relation_kind', ''), ('session_replication_role', 'origin')) as pinned (name, value)
    where current_setting(pinned.name, true) <> pinned.value";

/// The servers of a URL, and whether the chosen one must accept writes.
pub(crate) fn servers(url: &str) -> Result<(Vec<PgConnectOptions>, bool)> {
    let parsed = database_url::parse(url).map_err(|reason| Error::BadUrl { reason })?;
    let read = |url: &String| {
        // The driver's message may repeat a part of the URL.
        let read = PgConnectOptions::from_str(url);
        let wrong = "one of its parameters has a value that is not understood";
        Ok(read.map_err(|_| Error::BadUrl { reason: wrong.into() })?.application_name("tidemill"))
    };
    Ok((parsed.servers.iter().map(read).collect::<Result<_>>()?, parsed.primary))
}

/// A direct connection, which keeps its settings.
pub(crate) fn direct(server: PgConnectOptions, options: &Options, more: Settings<'_>) -> PgConnectOptions {
    server.options(PINNED.iter().copied()).options(settings(options)).options(more.iter().copied())
}

/// The settings that [`direct`] cannot request when it connects.
pub(crate) async fn pin(connection: &mut PgConnection) -> sqlx::Result<()> {
    let pinned = connection.execute(sqlx::raw_sql(PINNED_IF_KNOWN)).await;
    match pinned {
        // Only a superuser can change a setting that a superuser set on the role.
        Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some("42501") => {
            static WARNED: Once = Once::new();
            WARNED.call_once(|| {
                tracing::warn!(
                    "session_replication_role is not origin for this login, so triggers do not run and \
                     dependent jobs are not resolved; run alter role … reset session_replication_role"
                );
            });
            Ok(())
        }
        other => other.map(|_| ()),
    }
}

/// A connection through a pooler. It requests nothing that a pooler would have to support.
pub(crate) fn pooled(server: PgConnectOptions) -> PgConnectOptions {
    server.extra_float_digits(None)
}

/// A name as SQL writes it.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The statement that begins a transaction with its settings.
pub(crate) fn opening(options: &Options, more: Settings<'_>) -> SqlStr {
    let literal = |text: &str| format!("'{}'", text.replace('\'', "''"));
    let pinned = PINNED.iter().chain([&("extra_float_digits", "1"), &("DateStyle", "ISO, MDY")]);
    let given: Vec<(&str, String)> = pinned
        .filter(|(name, _)| !name.starts_with("default_transaction_") && *name != "idle_session_timeout")
        .map(|(name, value)| (*name, (*value).to_owned()))
        .chain(settings(options))
        .chain(more.iter().map(|(name, value)| (*name, (*value).to_owned())))
        .collect();
    // The last value wins.
    let last = |at: usize, name: &str| given[at + 1..].iter().all(|(later, _)| *later != name);
    let set: Vec<String> = given
        .iter()
        .enumerate()
        .filter(|(at, (name, _))| last(*at, name))
        .map(|(_, (name, value))| format!("({}, {})", literal(name), literal(value)))
        .collect();
    // Most already have the right value, and then cost almost nothing.
    AssertSqlSafe(format!(
        "begin isolation level read committed read write; \
         select set_config(pinned.name, pinned.value, true) from (values {}) as pinned (name, value) \
         where current_setting(pinned.name) <> pinned.value",
        set.join(", ")
    ))
    .into_sql_str()
}

fn settings(options: &Options) -> [(&'static str, String); 3] {
    let timeout = options.statement_timeout.as_millis().to_string();
    [
        ("search_path", options.schema.clone()),
        ("statement_timeout", timeout.clone()),
        ("idle_in_transaction_session_timeout", timeout),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transaction_brings_its_settings_and_quotes_them() {
        let options = Options { schema: "it's".into(), pgbouncer: true, ..Options::new("postgres://h/d") };
        let text = opening(&options, &[("synchronous_commit", "on")]).as_str().to_owned();
        assert!(
            text.starts_with("begin isolation level read committed read write; select set_config("),
            "{text}"
        );
        for part in [
            "('search_path', 'it''s')",
            "('statement_timeout', '30000')",
            "('synchronous_commit', 'on')",
            "('lock_timeout', '0')",
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
