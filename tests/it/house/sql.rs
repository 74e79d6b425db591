//! Where SQL may stand, and the rules that its statements share.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use crate::house::tidy::{code, texts};

#[test]
fn jobs_are_made_only_where_their_args_are_sealed() {
    let makers = [
        "insert_jobs(",
        "enqueue_many(",
        "select enqueue(",
        "create_workflow($",
        "spawn_child($",
        "fire_schedule(",
        "release_slot($",
        "run_schedule($",
        "select fork(",
        "into jobs_live",
    ];
    // Each takes prepared jobs, prepares them itself, or copies what is sealed already.
    let known = [
        "jobs/enqueue",
        "workflows",
        "attempts/children",
        "schedule_slots",
        "schedules",
        "attempts/steps",
        "db/ping",
    ];
    let mut found = BTreeSet::new();
    for source in code().iter().chain(&texts("src", "sql")).filter(|source| !source.is_test()) {
        let lines = source.code().lines().map(str::trim_start).filter(|line| !line.starts_with("//"));
        if lines.into_iter().any(|line| makers.iter().any(|maker| line.contains(maker))) {
            found.insert(source.path.clone());
        }
    }
    assert_eq!(found, known.iter().map(|name| format!("src/store/{name}.rs")).collect());
}

#[test]
fn sql_stands_only_in_the_store_and_in_the_embedded_postgres() {
    let words = [
        "select ",
        "insert into ",
        "update ",
        "delete from ",
        "create table ",
        "alter ",
        "notify ",
        "listen ",
    ];
    let mut wrong = String::new();
    for source in code().iter().filter(|source| !source.is_test()) {
        if ["store", "embedded-postgres"].contains(&source.module()) {
            continue;
        }
        for (number, line) in source.code().lines().enumerate() {
            let trimmed = line.trim_start();
            if trimmed.starts_with("//") {
                continue;
            }
            let names_sqlx = line.contains("sqlx::query") || line.contains("raw_sql");
            let quoted = line.split('"').nth(1).unwrap_or_default().to_lowercase();
            let is_statement = words.iter().any(|word| quoted.starts_with(word))
                && [" from ", " into ", " set ", " where "].iter().any(|word| quoted.contains(word));
            if names_sqlx || is_statement {
                let _ = writeln!(wrong, "{}:{}: {trimmed}", source.path, number + 1);
            }
        }
    }
    assert!(wrong.is_empty(), "SQL outside of src/store:\n{wrong}");
}

/// Checks of tables and functions call `is_name`; no other statement repeats the rule.
#[test]
fn the_rule_of_names_stands_once_in_sql() {
    let rule = "[A-Za-z0-9][A-Za-z0-9._-]";
    let found: Vec<_> = texts("migrations", "sql")
        .into_iter()
        .filter(|file| file.text.contains(rule))
        .map(|file| (file.path.clone(), file.text.matches(rule).count()))
        .collect();
    assert_eq!(found, [("migrations/V1__tables.sql".to_owned(), 1)]);
}

/// `expires_at` and `started_at` of a job decide whether it can still start: the same words wherever jobs
/// are picked.
#[test]
fn the_rule_of_expiry_is_the_same_wherever_jobs_are_picked() {
    let mut found = Vec::new();
    for file in texts("migrations", "sql").into_iter().chain(texts("src/store", "sql")) {
        let lines = file.text.lines().filter(|line| line.contains("expires_at is null or"));
        found.extend(lines.map(|line| (file.path.clone(), line.trim().to_owned())));
    }
    assert_eq!(found.len(), 4, "{found:?}");
    // Which jobs are left out, instead of which are picked.
    let due =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store/attempts/due.sql"));
    assert!(due.unwrap().contains("j.expires_at <= statement_timestamp() and j.started_at is null"));
    for (path, line) in found {
        let alias = line.split("(").nth(1).and_then(|rest| rest.split('.').next()).unwrap_or_default();
        let clocks = ["statement_timestamp()", "clock_timestamp()", "now()"];
        let agrees = clocks.iter().any(|clock| {
            line == format!(
                "and ({alias}.expires_at is null or {alias}.expires_at > {clock} or {alias}.started_at is not null)"
            )
        });
        assert!(agrees, "{path}: {line}");
    }
}

/// A statement that is too long for its Rust file stands beside it, under the same name.
#[test]
fn statements_in_files_name_their_parameters_and_belong_to_the_rust_file_beside_them() {
    let files = texts("src", "sql");
    let mut wrong = String::new();
    for file in &files {
        let head: Vec<&str> = file.text.lines().take_while(|line| line.starts_with("--")).collect();
        let statement: String =
            file.text.lines().filter(|line| !line.trim_start().starts_with("--")).collect();
        for number in 1..100 {
            let is_named = head.iter().any(|line| line.starts_with(&format!("-- ${number} ")));
            let is_used = statement
                .match_indices(&format!("${number}"))
                .any(|(at, used)| !statement[at + used.len()..].starts_with(|c: char| c.is_ascii_digit()));
            if is_named != is_used {
                let _ = writeln!(wrong, "{}: its head and its text do not agree on ${number}", file.path);
            }
        }
        for part in ["-- Indexes: ", "-- Why it is written so:"] {
            if !head.iter().any(|line| line.starts_with(part)) {
                let _ = writeln!(wrong, "{}: its head has no line {part:?}", file.path);
            }
        }
        let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join(file.path.replace(".sql", ".rs"));
        let is_used = std::fs::read_to_string(beside).is_ok_and(|rust| {
            rust.contains("sqlx::query_file") && rust.contains(&format!("\"{}\"", file.path))
        });
        if !file.path.starts_with("src/store/") || !is_used {
            let _ = writeln!(wrong, "{}: no Rust file of this name in src/store uses it", file.path);
        }
    }
    assert!(!files.is_empty() && wrong.is_empty(), "\n{wrong}");
}
