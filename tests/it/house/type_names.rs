//! One name, one meaning: no two public types of the workspace's libraries share a name, unless they are the same
//! thing twice.

use std::collections::BTreeMap;

use crate::house::tidy::code;

/// One thing that is written down twice, with the reason.
const SAME: &[(&str, &[&str], &str)] = &[
    (
        "BlobStore",
        &["src/vault/blob_store.rs", "src/vault/no_blob_store.rs"],
        "with and without the feature `storage-folder`; a build has one of them",
    ),
    (
        "BlobReader",
        &["src/vault/blob_store.rs", "src/vault/no_blob_store.rs"],
        "with and without the feature `storage-folder`; a build has one of them",
    ),
    (
        "BlobWriter",
        &["src/vault/blob_writer.rs", "src/vault/no_blob_store.rs"],
        "with and without the feature `storage-folder`; a build has one of them",
    ),
    (
        "Result",
        &["src/store/db/error.rs", "src/vault/error.rs"],
        "the result of a module with its own error, as std::io and std::fmt have it",
    ),
];
/// The name of the public type that a line defines.
fn type_of(line: &str) -> Option<&str> {
    let (word, rest) = line.trim_start().strip_prefix("pub ")?.split_once(' ')?;
    let end = rest.find(|letter: char| !letter.is_alphanumeric() && letter != '_').unwrap_or(rest.len());
    ["struct", "enum", "trait", "type"].contains(&word).then(|| &rest[..end]).filter(|name| !name.is_empty())
}

#[test]
fn a_public_type_has_a_name_of_its_own() {
    let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for source in code().iter().filter(|source| !source.is_test()) {
        for name in source.code().lines().filter_map(type_of) {
            places.entry(name.to_owned()).or_default().push(source.path.clone());
        }
    }
    assert!(places.len() > 200, "types are not found: {places:?}");
    places.values_mut().for_each(|files| files.sort());
    let known = |name: &str| SAME.iter().find(|(known, _, _)| *known == name);
    let mut wrong = Vec::new();
    for (name, files) in places.iter().filter(|(_, files)| files.len() > 1) {
        if !known(name).is_some_and(|(_, expected, _)| files.iter().eq(expected.iter())) {
            wrong.push(format!("{name} is defined in {files:?}: give the newer one another name"));
        }
    }
    for (name, expected, _) in SAME.iter() {
        if places.get(*name).is_none_or(|files| files.len() < 2) {
            wrong.push(format!("{name} is no longer defined in all of {expected:?}: take it off the list"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The names under which the API's document describes the types of a file.
fn schemas_of(code: &str) -> Vec<&str> {
    let mut names = Vec::new();
    let (mut is_described, mut given) = (false, None);
    for line in code.lines() {
        is_described |= line.contains("derive(") && line.contains("ToSchema");
        given = line.strip_prefix("#[schema(as = ").and_then(|rest| rest.split([',', ')']).next()).or(given);
        let mut words = line.split(|letter: char| !letter.is_alphanumeric() && letter != '_');
        if words.any(|word| word == "struct" || word == "enum") {
            let name = given.take().or(words.next());
            names.extend(name.filter(|_| std::mem::take(&mut is_described)));
        }
    }
    names
}

/// The generator takes one of two without a word.
#[test]
fn a_schema_of_the_api_has_a_name_of_its_own() {
    let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for source in code().iter().filter(|source| !source.is_test()) {
        for name in schemas_of(source.code()) {
            places.entry(name.to_owned()).or_default().push(source.path.clone());
        }
    }
    assert!(places.len() > 100, "schemas are not found: {places:?}");
    places.retain(|_, files| files.len() > 1);
    assert!(places.is_empty(), "{places:#?}");
}

#[test]
fn a_schema_is_found_after_its_derive() {
    let code = "#[derive(Debug, ToSchema)]\n#[schema(example = 1)]\npub(crate) struct A<T> {\n}\nstruct B;\n\
        #[derive(ToSchema)]\n#[schema(as = C)]\npub enum D {";
    assert_eq!(schemas_of(code), ["A", "C"]);
}

#[test]
fn a_type_is_found_in_a_line() {
    let lines =
        ["pub struct A<T> {", "    pub enum B {", "pub type C = u8;", "pub(crate) struct D;", "pub fn e() {"];
    assert_eq!(lines.map(type_of), [Some("A"), Some("B"), Some("C"), None, None]);
}
