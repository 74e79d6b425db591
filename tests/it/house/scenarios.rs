//! The table of scenarios in `docs/internal` names every test of a scenario, and no other.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Whether a test is named after a scenario: a letter from a to o, a number, and what happens.
fn is_scenario(name: &str) -> bool {
    let Some((scenario, rest)) = name.split_once('_') else { return false };
    let mut letters = scenario.chars();
    letters.next().is_some_and(|letter| ('a'..='o').contains(&letter))
        && !letters.as_str().is_empty()
        && letters.all(|digit| digit.is_ascii_digit())
        && !rest.is_empty()
}

/// How many scenarios each letter has.
const SCENARIOS: [(char, usize); 15] = [
    ('A', 9),
    ('B', 9),
    ('C', 8),
    ('D', 7),
    ('E', 5),
    ('F', 8),
    ('G', 8),
    ('H', 3),
    ('I', 3),
    ('J', 5),
    ('K', 8),
    ('L', 4),
    ('M', 9),
    ('N', 4),
    ('O', 6),
];

/// The tests in these folders that are named after a scenario, and whether each is run only when asked for.
fn tests_below(folder: &Path, found: &mut BTreeMap<String, bool>) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path: PathBuf = entry.path();
        if path.is_dir() {
            tests_below(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let mut attributes: Vec<&str> = Vec::new();
            for line in text.lines().map(str::trim) {
                if line.starts_with("#[") {
                    attributes.push(line);
                    continue;
                }
                let name = line.split_once("fn ").and_then(|(_, rest)| Some(rest.split_once('(')?.0));
                let is_test = attributes.iter().any(|line| line.contains("test]") || line.contains("test("));
                if let Some(name) = name.filter(|name| is_test && is_scenario(name)) {
                    let ignored = attributes.iter().any(|line| line.starts_with("#[ignore"));
                    assert_eq!(found.insert(name.to_owned(), ignored), None, "two tests are named {name}");
                }
                attributes.clear();
            }
        }
    }
}

/// Where tests of their own stand.
const TESTS: [&str; 3] = ["tests", "crates/browser/tests", "crates/hub/tests"];

/// The folders of `tests/it` that only order it; the tables leave them out.
const ROOMS: [&str; 5] =
    ["tests/it/attempts", "tests/it/database", "tests/it/house", "tests/it/jobs", "tests/it/process"];

#[test]
fn the_table_names_every_test_of_a_scenario() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut tests = BTreeMap::new();
    for folder in TESTS {
        tests_below(&root.join(folder), &mut tests);
    }
    let table = std::fs::read_to_string(root.join("docs/internal/scenarios.md")).unwrap();
    let mut rows = BTreeMap::new();
    for row in table.lines() {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        if let [_, scenario, _, evidence, _] = cells[..] {
            rows.insert(scenario.to_lowercase(), evidence);
        }
    }
    let mut named = BTreeSet::new();
    for (letter, count) in SCENARIOS {
        for number in 1..=count {
            let scenario = format!("{letter}{number}").to_lowercase();
            let evidence = rows.get(&scenario).unwrap_or_else(|| panic!("there is no row {letter}{number}"));
            let of_it: Vec<_> =
                evidence.split('`').skip(1).step_by(2).filter(|name| is_scenario(name)).collect();
            // One without a test says why, and may name tests of others.
            assert!(!of_it.is_empty() || evidence.starts_with("none: "), "{letter}{number}: {evidence}");
            if !of_it.is_empty() && !evidence.starts_with("none: ") {
                for name in of_it {
                    assert!(name.starts_with(&format!("{scenario}_")), "{name} in the row {letter}{number}");
                    assert!(
                        !tests.get(name).is_some_and(|ignored| *ignored) || evidence.contains("ignored"),
                        "{name}"
                    );
                    named.insert(name.to_owned());
                }
            }
        }
    }
    let tests: BTreeSet<String> = tests.into_keys().collect();
    let differ: Vec<_> = named.symmetric_difference(&tests).collect();
    assert!(differ.is_empty(), "only docs/internal/scenarios.md or only the tests have {differ:?}");
}

/// Where each test stands: its name with the files that have one of that name.
fn tests() -> BTreeMap<String, Vec<String>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = BTreeMap::<String, Vec<String>>::new();
    let mut left = ["tests", "src", "bin/src", "crates"].map(|folder| root.join(folder)).to_vec();
    while let Some(path) = left.pop() {
        if path.is_dir() {
            left.extend(std::fs::read_dir(&path).unwrap().flatten().map(|entry| entry.path()));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let file = path.strip_prefix(root).unwrap().display().to_string();
            let mut is_test = false;
            for line in text.lines().map(str::trim) {
                is_test |= line.starts_with("#[test]") || line.starts_with("#[tokio::test");
                if let Some((_, rest)) = line.split_once("fn ").filter(|_| is_test) {
                    let name = rest.split('(').next().unwrap_or_default();
                    found.entry(name.to_owned()).or_default().push(file.clone());
                    is_test = false;
                }
            }
        }
    }
    found
}

/// The cells of a table's row that say which test shows what the row says, each with its line.
fn shown_by(markdown: &str) -> Vec<(usize, String)> {
    let mut column = None;
    let mut found = Vec::new();
    for (number, line) in markdown.lines().enumerate() {
        let Some(row) = line.strip_prefix("| ") else {
            column = None;
            continue;
        };
        // Also an empty cell has its two spaces.
        let cells: Vec<_> = row.trim_end_matches('|').split(" |").map(str::trim).collect();
        match column {
            None => column = Some(cells.iter().position(|cell| ["test", "shown by"].contains(cell))),
            Some(Some(column)) if !row.starts_with("---") => {
                found.extend(cells.get(column).map(|cell| (number + 1, (*cell).to_owned())));
            }
            Some(_) => {}
        }
    }
    found
}

/// What a cell names that is not there, and how much of it is.
fn judge(cell: &str, tests: &BTreeMap<String, Vec<String>>) -> (usize, Vec<String>) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let exists = |path: &str| root.join(path).exists();
    let is_module = |name: &str| {
        let below = name.replace("::", "/");
        ["tests/it", "src", "crates/browser/src", "crates/hub/src"]
            .iter()
            .chain(&TESTS)
            .chain(&ROOMS)
            .any(|folder| exists(&format!("{folder}/{below}.rs")) || exists(&format!("{folder}/{below}")))
    };
    let stands_in = |test: &str, modules: &str| {
        let below = format!("/{}", modules.replace("::", "/"));
        tests.get(test).is_some_and(|files| files.iter().any(|file| file.contains(&below)))
    };
    let (mut good, mut wrong) = (0, Vec::new());
    // `file: test, test` is how one table says where.
    let mut place = String::new();
    let spans: Vec<&str> = cell.split('`').skip(1).step_by(2).collect();
    let is_letter = |letter: char| letter.is_ascii_alphanumeric() || "_:/.-".contains(letter);
    for word in cell.split(|letter: char| !is_letter(letter)).filter(|word| !word.is_empty()) {
        let is_there = match word {
            _ if word.contains('/') => exists(word.trim_end_matches('/')) || exists(&format!("{word}.rs")),
            _ if word.ends_with(':') => {
                place = word.trim_matches(':').to_owned();
                place.is_empty()
                    || place == "lib"
                    || exists(&format!("crates/browser/tests/bughive/{place}.rs"))
            }
            _ if word.contains("::") => {
                let (modules, test) = word.rsplit_once("::").unwrap_or_default();
                is_module(word) || stands_in(test, modules)
            }
            _ if word.matches('_').count() >= 3 => match place.as_str() {
                "" => tests.contains_key(word),
                "lib" => {
                    stands_in(word, "")
                        && tests[word].iter().any(|file| file.starts_with("src/") || file.contains("/src/"))
                }
                place => stands_in(word, place),
            },
            // A word of the language, unless it is set as code.
            _ if !spans.contains(&word) => continue,
            _ => is_module(word),
        };
        if is_there {
            good += 1;
        } else {
            wrong.push(word.to_owned());
        }
    }
    (good, wrong)
}

#[test]
fn the_tables_of_older_systems_name_tests_that_are_there() {
    let tests = tests();
    let (mut named, mut wrong) = (0, Vec::new());
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/internal/seeds");
    for file in std::fs::read_dir(folder).unwrap().flatten() {
        let text = std::fs::read_to_string(file.path()).unwrap();
        for (line, cell) in shown_by(&text) {
            let (good, bad) = judge(&cell, &tests);
            named += good;
            wrong.extend(bad.iter().map(|word| format!("{}:{line}: {word}", file.file_name().display())));
        }
    }
    assert!(wrong.is_empty(), "there is no such test:\n{}", wrong.join("\n"));
    assert!(named > 200, "only {named} tests are named");
}

#[test]
fn a_test_that_is_not_there_is_noticed() {
    let tests = tests();
    let wrong = |cell: &str| judge(cell, &tests).1;
    for cell in [
        "`claim`, `bounded_queues`; tests/tour",
        "`stats::the_numbers_are_shown`",
        "sessions: old_crawls_are_removed_and_nothing_else",
        "lib: the_rules_are_those_of_the_table",
        "the same; –",
    ] {
        assert_eq!(wrong(cell), Vec::<String>::new(), "{cell}");
    }
    for (cell, bad) in [
        ("`clam`", "clam"),
        ("tests/tours", "tests/tours"),
        ("`claim::the_numbers_are_shown`", "claim::the_numbers_are_shown"),
        ("tickets: old_crawls_are_removed_and_nothing_else", "old_crawls_are_removed_and_nothing_else"),
        ("lib: old_crawls_are_removed_and_nothing_else", "old_crawls_are_removed_and_nothing_else"),
        ("`a_test_that_nobody_wrote`", "a_test_that_nobody_wrote"),
    ] {
        assert_eq!(wrong(cell), [bad], "{cell}");
    }
}
