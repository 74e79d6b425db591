//! The schema: every table, column, function and view says what it is for, and `docs/schema.sql` is
//! what a fresh migration makes, without the text of its functions. `make schema` writes that file again.

use std::process::Command;

use crate::support::Db;
use crate::support::cluster::programs;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/schema.sql");

#[tokio::test]
async fn everything_in_the_schema_has_a_comment() {
    let db = Db::new().await;
    let silent: Vec<(String,)> = db
        .rows(
            "select c.relname::text
             from pg_class c
             where c.relnamespace = 'tidemill'::regnamespace and c.relkind in ('r', 'p', 'v')
               and obj_description(c.oid, 'pg_class') is null
               and c.relname !~ '_\\d{4}_\\d{2}_\\d{2}$' and c.relname <> 'refinery_schema_history'
             union all
             select format('%s.%s', c.relname, a.attname)
             from pg_class c
             join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
             where c.relnamespace = 'tidemill'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
               and col_description(c.oid, a.attnum) is null and c.relname <> 'refinery_schema_history'
             union all
             select p.proname from pg_proc p
             where p.pronamespace = 'tidemill'::regnamespace and obj_description(p.oid, 'pg_proc') is null
             union all
             select t.typname from pg_type t
             where t.typnamespace = 'tidemill'::regnamespace and t.typtype = 'e' and obj_description(t.oid, 'pg_type') is null",
        )
        .await;
    assert!(silent.is_empty(), "without a comment: {silent:?}");
}

#[tokio::test]
async fn functions_that_read_tables_work_from_any_search_path() {
    let db = Db::new().await;
    let loose: Vec<(String,)> = db
        .rows(
            "select proname::text from pg_proc
             where pronamespace = 'tidemill'::regnamespace and proconfig::text is distinct from null
               and proconfig::text not like '%search_path=tidemill%'
             union all
             select proname::text from pg_proc
             where pronamespace = 'tidemill'::regnamespace and proconfig is null
               and proname not in ('notify_capacity', 'notify_cancel', 'notify_event', 'notify_dependents', 'notify_settings', 'backoff', 'new_job_id', 'fill_key', 'group_of', 'clamp_time', 'options_of', 'shown_state', 'outcome_of', 'fingerprint', 'bad_workflow', 'format_utc', 'current_actor', 'unique_terms', 'next_period', 'priority_of', 'is_name', 'check_name', 'without_brackets',
                 -- Postgres inlines these into statements of functions that have one.
                 'job_defaults', 'rare_options', 'decide_jobs', 'key_rule')",
        )
        .await;
    assert!(loose.is_empty(), "no search_path of their own: {loose:?}");
}

/// One row that cannot be read takes no list along, for there is none.
#[tokio::test]
async fn what_nobody_could_be_shown_is_refused() {
    let db = Db::new().await;
    for statement in [
        r"select enqueue('k', execution_id => E'a\nb')",
        "select set_alert('a', 'queue_depth', email => array[null])",
        r"select set_alert('a', 'queue_depth', webhook => E'http://a\nb/')",
        "insert into queues (name, paused_at) values ('q', 'infinity')",
        "insert into kinds (name, source, permanent_errors) values ('k', 'sql', array[null])",
        "insert into audit_log (who, db_user, action, subject, at) values ('a', 'a', 'a', 'a', '-infinity')",
    ] {
        db.enqueue(crate::support::job("k")).await;
        let refusal = db.refusal(statement).await;
        assert!(refusal.contains("check constraint"), "{statement}: {refusal}");
    }
    // What would cost each job a check is moved into reach where it is shown.
    db.execute(
        "select enqueue('k', expires_at => 'infinity', execution_id => 'ä b');
         select enqueue('k', expires_at => '-infinity');
         update jobs set created_at = 'infinity', started_at = '-infinity', cancel_requested_at = '10001-01-01'",
    )
    .await;
    let ids: Vec<(uuid::Uuid,)> = db.rows("select id from jobs").await;
    for (id,) in ids {
        assert_eq!(db.job(id).await.started_at.unwrap().timestamp(), 0);
    }
}

#[tokio::test]
async fn every_table_has_a_replica_identity() {
    let db = Db::new().await;
    db.execute("select ensure_partitions(30)").await;
    let without: Vec<(String,)> = db
        .rows(
            "select c.relname::text
             from pg_class c
             where c.relnamespace = 'tidemill'::regnamespace and c.relkind = 'r'
               and case c.relreplident
                 when 'd' then not exists (select from pg_index x where x.indrelid = c.oid and x.indisprimary)
                 when 'i' then not exists (select from pg_index x where x.indrelid = c.oid and x.indisreplident)
                 else c.relreplident = 'n' end",
        )
        .await;
    assert!(without.is_empty(), "{without:?}");
}

#[tokio::test]
async fn the_committed_schema_is_what_a_migration_makes() {
    let db = Db::new().await;
    let major: i32 = db.scalar("select current_setting('server_version_num')::integer / 10000").await;
    let output = Command::new(programs().join("pg_dump"))
        .args(["--schema-only", "--no-owner", "--no-privileges", "--schema=tidemill"])
        // The days differ from day to day.
        .arg("--exclude-table=*_[0-9][0-9][0-9][0-9]_[0-9][0-9]_[0-9][0-9]")
        .arg(db.options().url)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let header =
        format!("-- Made by `make schema` from a fresh migration, on Postgres {major}. Do not edit.\n");
    let fresh = format!("{header}{}", normalised(&String::from_utf8(output.stdout).unwrap()));
    if std::env::var_os("TIDEMILL_BLESS").is_some() {
        std::fs::write(FILE, &fresh).unwrap();
    }
    let committed = std::fs::read_to_string(FILE).unwrap_or_default();
    if !committed.is_empty() && !committed.starts_with(&header) {
        // Another major version writes the same schema in other words.
        eprintln!("not compared: docs/schema.sql was made on another version than Postgres {major}");
        return;
    }
    for (number, (committed, fresh)) in committed.lines().zip(fresh.lines()).enumerate() {
        assert_eq!(committed, fresh, "docs/schema.sql, line {}: run `make schema`", number + 1);
    }
    assert_eq!(
        committed.lines().count(),
        fresh.lines().count(),
        "docs/schema.sql is stale: run `make schema`"
    );
}

/// Without comments of pg_dump, settings of its session, the functions, which stand whole in `migrations/functions`, and
/// empty lines in a row.
fn normalised(dump: &str) -> String {
    let mut text = String::new();
    let mut function: Option<String> = None;
    for line in dump.lines() {
        if line.starts_with("CREATE FUNCTION ") {
            function = Some(String::new());
        }
        if let Some(tag) = &mut function {
            if let Some(begun) = line.trim_start().strip_prefix("AS $") {
                *tag = format!("${}$", begun.split('$').next().unwrap());
            }
            if !tag.is_empty() && line.ends_with(&format!("{tag};")) {
                function = None;
            }
            continue;
        }
        let noise = line.starts_with("--")
            || line.starts_with("SET ")
            || line.starts_with("SELECT pg_catalog.set_config")
            || line.starts_with('\\');
        if noise || (line.is_empty() && text.ends_with("\n\n")) {
            continue;
        }
        text.push_str(line);
        text.push('\n');
    }
    assert!(function.is_none(), "a function has no end");
    format!("{}\n", text.trim())
}

#[tokio::test]
async fn sql_and_rust_have_one_rule_of_names() {
    use tidemill::job::limits::{NAME_EXAMPLES, NAME_PATTERN};
    let db = Db::new().await;
    for (text, is_name) in NAME_EXAMPLES {
        let texts = sqlx::query_as("select is_name($1), $1 ~ $2").bind(text).bind(NAME_PATTERN);
        let found: (bool, bool) = texts.fetch_one(db.pool()).await.unwrap();
        assert_eq!(found, (*is_name, *is_name), "{text:?}");
        let queue = sqlx::query("insert into queues (name) values ($1) on conflict do nothing")
            .bind(text)
            .execute(db.pool())
            .await;
        assert_eq!(queue.is_ok(), *is_name, "{text:?}: {queue:?}");
    }
}
