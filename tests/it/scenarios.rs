//! The table of scenarios in the manual names every test of a scenario, and no other.

use std::collections::BTreeSet;
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

fn tests_below(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path: PathBuf = entry.path();
        if path.is_dir() {
            tests_below(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let functions = text.lines().filter_map(|line| line.trim().split_once("fn ")?.1.split_once('('));
            found.extend(functions.map(|(name, _)| name.to_owned()).filter(|name| is_scenario(name)));
        }
    }
}

#[test]
fn the_table_names_every_test_of_a_scenario() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut tests = BTreeSet::new();
    tests_below(&root.join("tests"), &mut tests);
    let table = std::fs::read_to_string(root.join("docs/scenarios.md")).unwrap();
    let named: BTreeSet<String> =
        table.split('`').skip(1).step_by(2).filter(|name| is_scenario(name)).map(str::to_owned).collect();
    assert_eq!(named, tests, "docs/scenarios.md and the tests differ");
    for letter in ["D", "E", "F", "G", "H", "K", "L", "M", "O"] {
        assert!(table.contains(&format!("| {letter}1 |")), "{letter}");
    }
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
