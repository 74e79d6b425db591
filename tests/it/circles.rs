//! No two files of the product import one another: what both need stands in a file of its own.

mod graph;
mod javascript;
mod modules;
mod tokens;

use std::collections::BTreeSet;

use self::graph::pairs;
use self::modules::Modules;
use crate::tidy::code;

/// Files that import one another by their nature, with the reason.
const NATURAL: &[(&str, &str, &str)] = &[
];

#[test]
fn no_two_files_import_one_another() {
    let sources = code();
    let files = sources.iter().filter(|source| !source.is_test());
    let modules = Modules::of(files.map(|source| (source.path.as_str(), source.code())));
    let found = pairs(&modules.graph());
    let natural: BTreeSet<_> =
        NATURAL.iter().map(|(one, other, _)| ((*one).to_owned(), (*other).to_owned())).collect();
    let wrong: Vec<_> = found.difference(&natural).map(|(one, other)| format!("{one} and {other}")).collect();
    let gone: Vec<_> = natural.difference(&found).collect();
    if std::env::var_os("ALL").is_some() {
        let graph = modules.graph();
        for circle in graph::circles(&graph) { println!("CIRCLE {}", circle.join(" -> ")); }
        for (f, to) in &graph { for t in to { println!("EDGE {f} {t}"); } }
    }
    assert!(wrong.is_empty(), "import one another:\n{}", wrong.join("\n"));
    assert!(gone.is_empty(), "no circle any more, take it from the list: {gone:?}");
}
