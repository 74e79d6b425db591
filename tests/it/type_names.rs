//! One name, one meaning: no two public types of the workspace's libraries share a name, unless they are the same
//! thing twice.

use std::collections::BTreeMap;

use crate::tidy::code;

/// One thing that is written down twice, with the reason.
const SAME: &[(&str, &[&str], &str)] = &[
    (
        "Depot",
        &["src/vault/blob_store.rs", "src/vault/no_blob_store.rs"],
        "with and without the feature `storage`; a build has one of them",
    ),
    (
        "Result",
        &["src/store/db/error.rs", "src/vault/mod.rs"],
        "the result of a module with its own error, as std::io and std::fmt have it",
    ),
];
/// Names with several meanings, which shall get names of their own, with the reason why they wait. This list may only
/// become shorter.
const AMBIGUOUS: &[(&str, &[&str], &str)] = &[
    (
        "Cursor",
        &["src/api/events/cursor.rs", "src/store/attempts/claim.rs"],
        "the position of a stream's reader, and of a claim in a queue",
    ),
    (
        "Declared",
        &["src/extension.rs", "src/store/deployments.rs"],
        "what an extension declares, and a row that a config wrote",
    ),
    (
        "Done",
        &["src/store/attempts/complete.rs", "src/store/jobs/bulk.rs"],
        "the outcome of a batch of completions, and of an action on many jobs",
    ),
    (
        "Held",
        &["src/store/attempts/heartbeat.rs", "src/store/attempts/steps.rs", "src/store/db/connection.rs"],
        "a lease that was renewed, a job with its lease, and a connection of a pool",
    ),
    (
        "Limits",
        &["src/api/server/listener.rs", "src/kinds/command/limits.rs"],
        "the limits of a peer, and of a command's processes",
    ),
    (
        "Line",
        &["src/kinds/line_reader.rs", "src/store/db/connection.rs"],
        "a line of text, which is public, and a connection to the database",
    ),
    (
        "Look",
        &["src/api/events/job_feed.rs", "src/api/server/gauges.rs"],
        "the poll result of a job, and the values of the gauges",
    ),
    (
        "Page",
        &["src/api/events/feed.rs", "src/api/page_response.rs"],
        "changes of the feed, and a page of a list, which is public",
    ),
    (
        "Place",
        &["crates/settings/src/place.rs", "src/api/events/cursor.rs", "src/api/events/feed.rs"],
        "where a section stands in the config, and positions in a job and in the feed",
    ),
    (
        "Reader",
        &["crates/settings/src/section.rs", "src/api/events/job_stream.rs"],
        "what reads a section of the config, and who reads a job's events",
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
    let known = |name: &str| SAME.iter().chain(AMBIGUOUS).find(|(known, _, _)| *known == name);
    let mut wrong = Vec::new();
    for (name, files) in places.iter().filter(|(_, files)| files.len() > 1) {
        if !known(name).is_some_and(|(_, expected, _)| files.iter().eq(expected.iter())) {
            wrong.push(format!("{name} is defined in {files:?}: give the newer one another name"));
        }
    }
    for (name, expected, _) in SAME.iter().chain(AMBIGUOUS) {
        if places.get(*name).is_none_or(|files| files.len() < 2) {
            wrong.push(format!("{name} is no longer defined in all of {expected:?}: take it off the list"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_type_is_found_in_a_line() {
    let lines =
        ["pub struct A<T> {", "    pub enum B {", "pub type C = u8;", "pub(crate) struct D;", "pub fn e() {"];
    assert_eq!(lines.map(type_of), [Some("A"), Some("B"), Some("C"), None, None]);
}
