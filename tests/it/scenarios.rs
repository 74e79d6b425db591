//! The table of scenarios in the manual names every test of a scenario, and no other.

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

#[test]
fn the_table_names_every_test_of_a_scenario() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut tests = BTreeMap::new();
    tests_below(&root.join("tests"), &mut tests);
    let table = std::fs::read_to_string(root.join("docs/scenarios.md")).unwrap();
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
    assert_eq!(named, tests, "docs/scenarios.md and the tests differ");
}

/// Every function of these folders.
fn functions(folders: &[&str]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut left: Vec<PathBuf> =
        folders.iter().map(|folder| Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)).collect();
    while let Some(path) = left.pop() {
        if path.is_dir() {
            left.extend(std::fs::read_dir(&path).unwrap().flatten().map(|entry| entry.path()));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let names = text.lines().filter_map(|line| line.trim().split_once("fn ")?.1.split_once('('));
            found.extend(names.map(|(name, _)| name.to_owned()));
        }
    }
    found
}

#[test]
fn the_tables_of_older_systems_name_tests_that_are_there() {
    let known = functions(&["tests", "src"]);
    let mut named = 0;
    for file in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/seeds")).unwrap().flatten()
    {
        let text = std::fs::read_to_string(file.path()).unwrap();
        for row in text.lines().filter(|line| line.starts_with("| ")) {
            // The first cell is in the words of the other system.
            let ours = row.splitn(3, '|').nth(2).unwrap_or_default();
            let words = ours.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
            let is_test = |word: &&str| word.matches('_').count() >= 3 && !word.contains(char::is_uppercase);
            for word in words.filter(is_test) {
                assert!(known.contains(word), "{}: there is no test {word}", file.path().display());
                named += 1;
            }
        }
    }
    assert!(named > 100, "only {named} tests are named");
}
