//! The form of the documents: prose is wrapped, so that a change of one word shows as one line.

use std::fmt::Write as _;
use std::path::Path;

/// The most characters of a line of prose.
const LINE_CHARACTERS: usize = 100;

/// Lines of prose with their numbers: neither code, nor tables, nor what has no blank to break at.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut is_code = false;
    text.lines().enumerate().filter(move |(_, line)| {
        let is_fence = line.trim_start().starts_with("```");
        is_code ^= is_fence;
        let is_breakable = line.trim_start().trim_start_matches("- ").contains(' ');
        !is_code && !is_fence && !line.starts_with("    ") && !line.starts_with('|') && is_breakable
    })
}

#[test]
fn prose_is_wrapped_at_a_hundred_columns() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let pages = std::fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let others =
        ["README.md", "CONTRIBUTING.md", "migrations/functions/README.md"].map(|name| root.join(name));
    let mut wrong = String::new();
    let mut lines = 0;
    for path in pages.chain(others).filter(|path| path.extension().is_some_and(|end| end == "md")) {
        let text = std::fs::read_to_string(&path).unwrap();
        for (number, line) in prose(&text) {
            lines += 1;
            if line.chars().count() > LINE_CHARACTERS {
                let _ = writeln!(wrong, "{}:{}: {line}", path.display(), number + 1);
            }
        }
    }
    assert!(lines > 1000 && wrong.is_empty(), "wrap these lines:\n{wrong}");
}
