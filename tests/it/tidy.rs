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
    ("worker", &["store", "job", "metrics", "vault"]),
    ("maintenance", &["store", "job", "metrics", "outbound"]),
    ("api", &["store", "job", "metrics", "vault"]),
    ("extension", &["api", "kinds", "worker", "store", "job", "outbound"]),
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

pub(crate) struct Source {
    /// From the root of the repository.
    pub(crate) path: String,
    pub(crate) text: String,
}

pub(crate) fn sources(folder: &str) -> Vec<Source> {
    texts(folder, "rs")
}

/// The files with that ending below a folder.
pub(crate) fn texts(folder: &str, ending: &str) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    let mut folders = vec![root.join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path: PathBuf = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == ending) {
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
    files.extend(texts("migrations", "sql"));
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
    assert!(wrong.is_empty(), "say pub, or pub(super):\n{wrong}");
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
    for source in code().iter().filter(|source| !source.is_test()) {
        let lines = source.code().lines().filter(|line| !line.trim_start().starts_with("//"));
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
