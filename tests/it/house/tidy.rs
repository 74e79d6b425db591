//! The source itself: who may import whom, how long a file and a function may be, and where SQL may
//! stand.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Which modules of the library each may name.
const IMPORTS: &[(&str, &[&str])] = &[
    ("job", &[]),
    ("database_url", &[]),
    ("metrics", &[]),
    ("vault", &[]),
    ("outbound", &[]),
    ("store", &["job", "vault", "database_url"]),
    ("announce", &["store", "job", "metrics"]),
    ("worker", &["announce", "store", "job", "metrics", "vault"]),
    ("maintenance", &["store", "job", "metrics", "outbound"]),
    ("api", &["announce", "store", "job", "metrics", "vault"]),
    ("extension", &["api", "worker", "store", "job", "outbound", "kinds"]),
    ("kinds", &["worker", "job", "outbound", "secrecy"]),
    ("testing", &["embedded", "worker", "store", "job"]),
    // Of the binary; the library knows nothing of it.
    ("config", &["extensions", "left_out"]),
    ("cli", &["config"]),
];
/// Words of applications, which the core does not know, with where they may stand and why.
const WORDS_OF_APPLICATIONS: [&str; 5] = ["hub", "agent", "bughive", "crawl", "container"];
const THEIR_REASONS: &[(&str, &str)] = &[
    ("src/kinds/command/strays.rs", "the first process of a container reaps orphans"),
    ("src/kinds/command/exit_status.rs", "a container has a limit of memory"),
    ("user_agent", "a header of HTTP"),
];
/// Where code of the product stands.
const CODE: [&str; 7] = [
    "bin/src",
    "crates/browser/src",
    "crates/embedded-postgres/src",
    "crates/hub/src",
    "crates/secrecy/src",
    "crates/settings/src",
    "src",
];
const FILE_LINES: usize = 400;
const FUNCTION_LINES: usize = 70;
/// Of SQL inside a Rust file.
const STATEMENT_LINES: usize = 45;

pub(crate) struct Source {
    /// Below the checkout.
    pub(crate) path: String,
    pub(crate) text: String,
}

pub(crate) fn sources(folder: &str) -> Vec<Source> {
    files(folder, &["rs"])
}

/// The files below a folder with that extension.
pub(crate) fn texts(folder: &str, extension: &str) -> Vec<Source> {
    files(folder, &[extension])
}

/// The files below a folder with one of these extensions, in the order of their paths.
pub(crate) fn files(folder: &str, extensions: &[&str]) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    let mut folders = vec![root.join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path: PathBuf = entry.unwrap().path();
            if path.is_dir() {
                folders.extend(Some(path).filter(|path| !path.ends_with("node_modules")));
            } else if extensions
                .iter()
                .any(|wanted| path.extension().is_some_and(|extension| extension == *wanted))
            {
                let text = std::fs::read_to_string(&path).unwrap();
                found.push(Source { path: path.strip_prefix(root).unwrap().display().to_string(), text });
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

pub(crate) fn code() -> Vec<Source> {
    CODE.into_iter().flat_map(sources).collect()
}

impl Source {
    fn module(&self) -> &str {
        let (crate_of, below) = self.path.split_once("src/").unwrap();
        if let Some(leaf) = crate_of.strip_prefix("crates/") {
            return leaf.trim_end_matches('/');
        }
        below.split(['/', '.']).next().unwrap()
    }

    pub(crate) fn is_test(&self) -> bool {
        self.path.ends_with("_tests.rs") || self.path.ends_with("/tests.rs")
    }

    /// The text before its unit tests.
    pub(crate) fn code(&self) -> &str {
        self.text.split("\n#[cfg(test)]\nmod ").next().unwrap()
    }
}

#[test]
fn modules_import_only_what_the_layout_allows() {
    let mut wrong = String::new();
    for source in code().iter().filter(|source| !source.is_test()) {
        let module = source.module();
        let Some((_, allowed)) = IMPORTS.iter().find(|(name, _)| *name == module) else { continue };
        for (number, line) in source.code().lines().enumerate() {
            let code = line.split("//").next().unwrap();
            for (at, _) in code.match_indices("crate::") {
                if code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '$') {
                    continue;
                }
                let named: String =
                    code[at + 7..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                // A name of the crate's root is the public face: a type, not a module.
                let is_module = named.starts_with(|c: char| c.is_lowercase());
                if is_module && named != module && !allowed.contains(&named.as_str()) {
                    let _ = writeln!(wrong, "{}:{}: {module} may not use {named}", source.path, number + 1);
                }
            }
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

#[test]
fn the_core_knows_no_application() {
    let mut wrong = String::new();
    let mut files = sources("src");
    files.extend(self::files("migrations", &["sql"]));
    for source in files {
        for (number, line) in source.text.lines().enumerate() {
            let lower = line.to_lowercase();
            let words: BTreeSet<_> =
                lower.split(|letter: char| !letter.is_alphanumeric() && letter != '_').collect();
            let is_known = |word: &str| {
                let base = word.trim_end_matches('s');
                WORDS_OF_APPLICATIONS.iter().any(|known| base.split('_').any(|part| part.starts_with(known)))
            };
            let is_excused =
                |word: &str| THEIR_REASONS.iter().any(|(place, _)| source.path == *place || word == *place);
            for word in words.into_iter().filter(|word| is_known(word) && !is_excused(word)) {
                let _ = writeln!(wrong, "{}:{}: {word}", source.path, number + 1);
            }
        }
    }
    assert!(wrong.is_empty(), "an application belongs into a crate of its own:\n{wrong}");
}

/// Then anybody can write what they are: they use the seam and the public names alone.
#[test]
fn applications_use_only_public_names() {
    let own = [
        "api",
        "database_url",
        "job",
        "kinds",
        "maintenance",
        "metrics",
        "outbound",
        "store",
        "vault",
        "worker",
    ];
    let mut wrong = String::new();
    for source in
        ["crates/hub/src", "crates/browser/src", "examples/extension/src"].into_iter().flat_map(sources)
    {
        for (number, line) in source.text.lines().enumerate() {
            for (at, _) in line.match_indices("tidemill::") {
                let named: String =
                    line[at + 10..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                if own.contains(&named.as_str()) {
                    let _ = writeln!(wrong, "{}:{}: {}", source.path, number + 1, line.trim());
                }
            }
        }
    }
    assert!(wrong.is_empty(), "use the names of src/lib.rs and src/extension.rs:\n{wrong}");
}

/// What is not for everybody is for the worker alone: then the compiler keeps kinds to its public face.
#[test]
fn the_worker_has_no_face_for_the_crate_alone() {
    let mut wrong = String::new();
    for source in sources("src").iter().filter(|source| source.module() == "worker") {
        for (number, line) in source.code().lines().enumerate() {
            let is_root = source.path.ends_with("worker/mod.rs");
            if line.contains("pub(crate)") || (is_root && line.contains("pub(super)")) {
                let _ = writeln!(wrong, "{}:{}: {}", source.path, number + 1, line.trim());
            }
        }
    }
    assert!(wrong.is_empty(), "say pub, pub(super) or pub(in crate::worker):\n{wrong}");
}

#[test]
fn every_file_says_what_it_is_for_and_is_short() {
    let mut wrong = String::new();
    for source in ["bin", "crates", "src", "tests", "benches", "examples"].into_iter().flat_map(sources) {
        if !source.text.starts_with("//!") && !source.is_test() {
            let _ = writeln!(wrong, "{} does not begin with //!", source.path);
        }
        let lines = source.code().lines().count();
        if lines > FILE_LINES
            && CODE.iter().any(|folder| source.path.starts_with(folder))
            && !source.is_test()
        {
            let _ = writeln!(wrong, "{} has {lines} lines, {FILE_LINES} are allowed", source.path);
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

#[test]
fn functions_are_short() {
    let mut wrong = String::new();
    for source in code().iter().filter(|source| !source.is_test()) {
        let mut open: Option<(usize, usize, bool)> = None;
        let mut excused = false;
        for (number, line) in source.code().lines().enumerate() {
            let indent = line.len() - line.trim_start().len();
            let code = line.trim_start();
            excused |= code.contains("clippy::too_many_lines");
            let head = ["fn ", "async fn ", "const fn ", "pub ", "pub(crate) ", "pub(super) "];
            if open.is_none() && code.contains("fn ") && head.iter().any(|head| code.starts_with(head)) {
                open = Some((number, indent, excused));
                excused = false;
            }
            let Some((began, depth, excused)) = open else { continue };
            if (code == "}" && indent == depth) || code.ends_with(';') && indent == depth && number > began {
                let lines = number - began + 1;
                if lines > FUNCTION_LINES && !excused {
                    let _ = writeln!(wrong, "{}:{}: {lines} lines", source.path, began + 1);
                }
                open = None;
            } else if indent == depth && (code.ends_with(';') || code.ends_with("{}")) {
                open = None;
            }
        }
    }
    assert!(wrong.is_empty(), "functions longer than {FUNCTION_LINES} lines:\n{wrong}");
}

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

/// Of the schema: functions above the limit, each with the reason.
const LONG_SQL: &[(&str, &str)] =
    &[("changes", "one statement, whose parts must see the same snapshot and the same planner settings")];

#[test]
fn sql_functions_are_short() {
    let mut wrong = String::new();
    let mut long = Vec::new();
    for file in texts("migrations", "sql") {
        for function in file.text.split("\ncreate or replace function ").skip(1) {
            let name = function.split('(').next().unwrap();
            let tag = function.split("as $").nth(1).and_then(|rest| rest.split('$').next()).unwrap();
            let body = function.split(&format!("${tag}$")).nth(1).unwrap();
            let lines =
                body.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("--"));
            let lines = lines.count();
            if lines > FUNCTION_LINES && LONG_SQL.iter().any(|(known, _)| *known == name) {
                long.push(name.to_owned());
            } else if lines > FUNCTION_LINES {
                let _ = writeln!(wrong, "{}: {name} has {lines} lines", file.path);
            }
        }
    }
    assert!(wrong.is_empty(), "SQL functions longer than {FUNCTION_LINES} lines:\n{wrong}");
    assert_eq!(long, LONG_SQL.iter().map(|(name, _)| *name).collect::<Vec<_>>(), "no exception is needed");
}

#[test]
fn sql_files_say_what_they_are_for_and_are_short() {
    let mut wrong = String::new();
    for file in texts("migrations/functions", "sql") {
        if !file.text.starts_with("-- ") {
            let _ = writeln!(wrong, "{} does not begin with a comment", file.path);
        }
        let lines = file.text.lines().count();
        if lines > FILE_LINES {
            let _ = writeln!(wrong, "{} has {lines} lines, {FILE_LINES} are allowed", file.path);
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

/// Checks of tables and functions call `is_name`; no other statement repeats the rule.
#[test]
fn the_rule_of_names_stands_once_in_sql() {
    let rule = "[A-Za-z0-9][A-Za-z0-9._-]{0,62}";
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

#[test]
fn statements_in_rust_files_are_short() {
    let mut wrong = String::new();
    for source in sources("src").iter().filter(|source| source.module() == "store" && !source.is_test()) {
        let raw = source.code().split("r#\"").skip(1).filter_map(|rest| rest.split("\"#").next());
        let statements = raw.chain(source.code().split('"')).filter(|text| {
            let text = text.trim_start();
            ["select", "with ", "insert ", "update ", "delete "].iter().any(|word| text.starts_with(word))
        });
        for text in statements.filter(|text| text.lines().count() > STATEMENT_LINES) {
            let first = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
            let _ = writeln!(wrong, "{}: {}", source.path, first.trim());
        }
    }
    assert!(wrong.is_empty(), "statements above {STATEMENT_LINES} lines belong into a .sql file:\n{wrong}");
}

/// One called `message` takes the place of the words that say what happened.
#[test]
fn no_field_of_the_log_is_called_message() {
    let mut wrong = Vec::new();
    for source in code() {
        for level in ["error", "warn", "info", "debug", "trace"] {
            let word = format!("tracing::{level}!(");
            let macros = source.code().split(&word).skip(1).map(|rest| {
                let end = rest.find(");").unwrap_or(rest.len());
                &rest[..end]
            });
            let fields = macros.flat_map(|text| text.split('"').step_by(2)).flat_map(|text| text.split(','));
            let names =
                fields.map(|field| field.split('=').next().unwrap().trim().trim_start_matches(['%', '?']));
            wrong.extend(names.filter(|name| *name == "message").map(|_| source.path.clone()));
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn lints_are_expected_with_a_reason_and_never_allowed() {
    let mut wrong = String::new();
    for source in ["bin", "crates", "src", "tests", "benches", "examples"].into_iter().flat_map(sources) {
        for (number, line) in source.text.lines().enumerate() {
            let line = line.trim_start();
            if line.starts_with("#[allow(") || line.starts_with("#![allow(") {
                let _ = writeln!(wrong, "{}:{}: {line}", source.path, number + 1);
            }
        }
    }
    assert!(wrong.is_empty(), "use #[expect(…, reason = …)]:\n{wrong}");
}
