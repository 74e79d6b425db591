//! The source itself: who may import whom, which words the core does not know, and what the log and the lints say.

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
    ("spans", &["store", "metrics"]),
    ("announce", &["spans", "store", "job", "metrics"]),
    ("worker", &["announce", "spans", "store", "job", "metrics", "vault"]),
    ("maintenance", &["announce", "store", "job", "metrics", "outbound"]),
    ("api", &["announce", "spans", "store", "job", "metrics", "vault"]),
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
    pub(crate) fn module(&self) -> &str {
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
