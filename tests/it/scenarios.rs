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
