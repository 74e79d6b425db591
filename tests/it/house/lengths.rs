//! How long files, functions and statements may be, and how many files a folder may have.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use crate::house::tidy::{Source, sources, texts};

/// With its tests, in Rust and in SQL.
const FILE_LINES: usize = 400;
const FUNCTION_LINES: usize = 70;
/// Of SQL inside a Rust file.
const STATEMENT_LINES: usize = 45;
/// Beside each other.
const FOLDER_FILES: usize = 26;
/// Files above the limit, each with the reason.
const LONG_FILES: &[(&str, &str)] = &[
    ("examples/task_manager.rs", "an example is read as one page"),
    ("migrations/V1__tables.sql", "a versioned migration is one file"),
    ("migrations/views.sql", "the columns of the views, each with its comment"),
];
/// Folders above the limit, each with the reason.
const LARGE_FOLDERS: &[(&str, &str)] = &[("docs", "one page a subject; docs/README.md is their index")];

/// Functions of tests above the limit: one table of cases, or one story.
const LONG_TESTS: [&str; 5] = [
    "args_and_results_stay_as_long_as_a_job_refers_to_them",
    "every_act_from_psql_is_recorded_in_its_transaction",
    "o6_workers_are_inspected_and_queues_purged",
    "only_the_owner_can_act_without_a_record",
    "pages",
];
/// Folders that tools fill.
const MADE_FOLDERS: [&str; 6] = ["__pycache__", "coverage", "dist", "node_modules", "target", "test-results"];

/// With tests and examples.
fn rust() -> Vec<Source> {
    ["bin", "crates", "src", "tests", "benches", "examples"].into_iter().flat_map(sources).collect()
}

/// The files that say what they are for and are short.
fn ours() -> Vec<Source> {
    let sql = ["migrations", "src"].into_iter().flat_map(|folder| texts(folder, "sql"));
    rust().into_iter().chain(sql).collect()
}

#[test]
fn every_file_says_what_it_is_for() {
    let mut wrong = String::new();
    for source in ours().iter().filter(|source| !source.is_test()) {
        let begins = if source.path.ends_with(".sql") { "-- " } else { "//!" };
        if !source.text.starts_with(begins) {
            let _ = writeln!(wrong, "{} does not begin with {begins}", source.path);
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

#[test]
fn files_are_short() {
    let mut wrong = String::new();
    let mut long = Vec::new();
    for source in ours() {
        let lines = source.text.lines().count();
        if lines > FILE_LINES && LONG_FILES.iter().any(|(known, _)| *known == source.path) {
            long.push(source.path);
        } else if lines > FILE_LINES {
            let _ = writeln!(wrong, "{} has {lines} lines, {FILE_LINES} are allowed", source.path);
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
    let known = LONG_FILES.iter().map(|(path, _)| *path);
    assert_eq!(long, known.collect::<Vec<_>>(), "files that need no exception");
}

/// More files than a reader takes in at once belong into rooms.
#[test]
fn folders_have_few_files_beside_each_other() {
    let mut folders = BTreeMap::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let rooms = [
        "bin",
        "clients",
        "conformance",
        "crates",
        "deploy",
        "docs",
        "examples",
        "migrations",
        "src",
        "tests",
        "web",
    ];
    let mut left = rooms.map(|folder| root.join(folder)).to_vec();
    while let Some(folder) = left.pop() {
        let mut files = 0;
        for entry in std::fs::read_dir(&folder).unwrap().map(Result::unwrap) {
            let name = entry.file_name().display().to_string();
            if name.starts_with('.') || MADE_FOLDERS.contains(&name.as_str()) {
                continue;
            } else if entry.file_type().unwrap().is_dir() {
                left.push(entry.path());
            } else {
                files += 1;
            }
        }
        folders.insert(folder.strip_prefix(root).unwrap().display().to_string(), files);
    }
    assert!(folders.len() > 50, "{folders:?}");
    let large = folders.iter().filter(|(_, files)| **files > FOLDER_FILES);
    let wrong: Vec<_> =
        large.filter(|(folder, _)| LARGE_FOLDERS.iter().all(|(known, _)| known != folder)).collect();
    assert!(wrong.is_empty(), "more than {FOLDER_FILES} files: {wrong:?}");
    for (folder, _) in LARGE_FOLDERS {
        assert!(folders[*folder] > FOLDER_FILES, "{folder} needs no exception");
    }
}

#[test]
fn functions_are_short() {
    let mut wrong = String::new();
    let mut long = BTreeSet::new();
    for source in rust() {
        let mut open: Option<(usize, usize, Option<&str>)> = None;
        let mut excused = false;
        for (number, line) in source.text.lines().enumerate() {
            let indent = line.len() - line.trim_start().len();
            let code = line.trim_start();
            excused |= code.contains("clippy::too_many_lines");
            let head = ["fn ", "async fn ", "const fn ", "pub ", "pub(crate) ", "pub(super) "];
            if open.is_none() && code.contains("fn ") && head.iter().any(|head| code.starts_with(head)) {
                let name =
                    code.split_once("fn ").map_or("", |(_, rest)| rest.split(['(', '<']).next().unwrap());
                open = Some((number, indent, (!excused).then_some(name)));
                excused = false;
            }
            let Some((began, depth, name)) = open else { continue };
            if (code == "}" && indent == depth) || code.ends_with(';') && indent == depth && number > began {
                let lines = number - began + 1;
                if let Some(name) = name.filter(|_| lines > FUNCTION_LINES)
                    && !(LONG_TESTS.contains(&name) && long.insert(name.to_owned()))
                {
                    let _ = writeln!(wrong, "{}:{}: {lines} lines", source.path, began + 1);
                }
                open = None;
            } else if indent == depth && (code.ends_with(';') || code.ends_with("{}")) {
                open = None;
            }
        }
    }
    assert!(wrong.is_empty(), "functions longer than {FUNCTION_LINES} lines:\n{wrong}");
    assert_eq!(long.len(), LONG_TESTS.len(), "only these need an exception: {long:?}");
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
