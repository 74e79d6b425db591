//! No two files import one another, in Rust, in the dashboard and in the TypeScript client: what both
//! need belongs to a file of its own.

mod graph;
mod javascript;
mod modules;
mod tokens;

use std::collections::BTreeSet;

use self::graph::pairs;
use self::modules::Modules;
use crate::house::tidy::code;

/// Files that import one another by their nature, with the reason.
const NATURAL: &[(&str, &str, &str)] = &[
    ("src/api/routes.rs", "src/api/state.rs", "a route takes the state, which has the routes of extensions"),
    (
        "src/worker/context/mod.rs",
        "src/worker/handler.rs",
        "a handler takes a context, which names its errors",
    ),
    (
        "src/worker/context/mod.rs",
        "src/worker/context/steps.rs",
        "a context has steps, which run in a context",
    ),
];

#[test]
fn no_two_files_import_one_another() {
    let sources = code();
    let files = sources.iter().filter(|source| !source.is_test());
    let modules = Modules::of(files.map(|source| (source.path.as_str(), source.code())));
    let found = pairs(&modules.graph());
    let natural = NATURAL.iter().map(|(one, other, _)| (*one, *other));
    let known: BTreeSet<_> = natural.map(owned).collect();
    let wrong: Vec<_> = found.difference(&known).map(|(one, other)| format!("{one} and {other}")).collect();
    assert!(
        wrong.is_empty(),
        "import one another; move what both need to a file of its own:\n{}",
        wrong.join("\n")
    );
    let gone: Vec<_> = known.difference(&found).collect();
    assert!(gone.is_empty(), "no longer import one another; take them from the list: {gone:#?}");
}

#[test]
fn an_import_is_found_in_every_form() {
    let files = [
        ("src/lib.rs", "pub mod a;\npub mod b;\npub use a::One;"),
        ("src/a/mod.rs", "mod one;\npub mod two;\npub use self::one::{One, first as other};"),
        // A re-export leads to the file that defines the item.
        ("src/a/one.rs", "use crate::b::*;\npub struct One;\npub fn first() { super::two::Two::new() }"),
        ("src/a/two.rs", "use crate::One as Renamed;\npub struct Two(Renamed);"),
        ("src/b.rs", "use super::a;\npub enum B { A(a::other) } // super::a::two::Two"),
        ("src/c.rs", "pub fn text() -> (&'static str, char) { (\"crate::a::two::Two\", '\"') }"),
    ];
    let graph = Modules::of(files).graph();
    let of = |file: &str| graph[file].iter().map(String::as_str).collect::<Vec<_>>();
    assert_eq!(of("src/lib.rs"), ["src/a/one.rs"]);
    assert_eq!(of("src/a/mod.rs"), ["src/a/one.rs"]);
    assert_eq!(of("src/a/one.rs"), ["src/a/two.rs", "src/b.rs"]);
    assert_eq!(of("src/a/two.rs"), ["src/a/one.rs"]);
    assert_eq!(of("src/b.rs"), ["src/a/one.rs"]);
    assert!(of("src/c.rs").is_empty());
    let expected = [("src/a/one.rs", "src/a/two.rs"), ("src/a/one.rs", "src/b.rs")];
    assert_eq!(pairs(&graph), expected.map(owned).into());
}

fn owned((one, other): (&str, &str)) -> (String, String) {
    (one.to_owned(), other.to_owned())
}
