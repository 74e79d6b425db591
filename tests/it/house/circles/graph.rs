//! Which file imports which others, and the circles among them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Each file with the files that it imports.
pub(super) type Graph = BTreeMap<String, BTreeSet<String>>;

/// The files that import one another directly, each pair once and in the order of their names.
pub(super) fn pairs(graph: &Graph) -> BTreeSet<(String, String)> {
    let edges = graph.iter().flat_map(|(from, to)| to.iter().map(move |to| (from, to)));
    let mutual =
        edges.filter(|(from, to)| from < to && graph.get(*to).is_some_and(|back| back.contains(*from)));
    mutual.map(|(from, to)| (from.clone(), to.clone())).collect()
}

/// A shortest circle of any length through each file that is in one, each circle once.
pub(super) fn circles(graph: &Graph) -> BTreeSet<Vec<String>> {
    graph.keys().filter_map(|file| circle_through(graph, file)).map(from_the_first).collect()
}

fn circle_through(graph: &Graph, file: &str) -> Option<Vec<String>> {
    let mut paths = VecDeque::from([vec![file.to_owned()]]);
    let mut seen = BTreeSet::new();
    while let Some(path) = paths.pop_front() {
        for next in graph.get(&path[path.len() - 1]).into_iter().flatten() {
            if next == file {
                return Some(path);
            }
            if seen.insert(next.clone()) {
                paths.push_back([path.as_slice(), std::slice::from_ref(next)].concat());
            }
        }
    }
    None
}

/// The same circle, beginning with the file whose name comes first.
fn from_the_first(mut circle: Vec<String>) -> Vec<String> {
    let first = (0..circle.len()).min_by_key(|&index| circle[index].clone()).unwrap_or(0);
    circle.rotate_left(first);
    circle
}
