//! The public face: `docs/internal/public-names.txt` has every name that a program sees without the feature
//! `internals`, each name of the root has an example, and no example uses another name.
//! `TIDEMILL_BLESS=1 cargo test --test it public_names` writes the list again.

use std::collections::BTreeSet;
use std::path::Path;

use crate::house::tidy::{Source, sources, texts};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const FILE: &str = "docs/internal/public-names.txt";
/// As many names as a reader of the crate's first page takes in.
const MOST_ROOT_NAMES: usize = 46;
/// Modules with names of their own on the list.
const MODULES: [&str; 2] = ["extension", "testing"];
/// Files for the feature `internals`, with the reason.
const NEED_INTERNALS: &[(&str, &str)] = &[
    (
        "examples/task_manager.rs",
        "it starts maintenance and the channels of alerts, which the binary does for other programs",
    ),
    ("src/worker/testing.rs", "contexts for the tests of this repository; others have tidemill::testing"),
];

/// A public name, such as `extension::http::Body`, and the path at which it is defined.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Public {
    name: String,
    path: String,
}

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(ROOT).join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The paths that a tree of `use` names: `a::{b, c as d}` has `a::b` and `a::c as d`.
fn leaves(tree: &str) -> Vec<String> {
    let Some((prefix, rest)) = tree.split_once('{') else { return vec![tree.trim().to_owned()] };
    let inner = rest.rsplit_once('}').map_or(rest, |(inner, _)| inner);
    let mut depth = 0;
    let parts = inner.split(|letter| {
        depth += i32::from(letter == '{') - i32::from(letter == '}');
        letter == ',' && depth == 0
    });
    let parts = parts.map(str::trim).filter(|part| !part.is_empty());
    parts.flat_map(|part| leaves(&format!("{}{part}", prefix.trim()))).collect()
}

/// The name that an item defines.
fn item_of(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("pub ")?;
    let rest = rest.strip_prefix("async ").or_else(|| rest.strip_prefix("unsafe ")).unwrap_or(rest);
    let rest = if rest.starts_with("const fn ") { &rest["const ".len()..] } else { rest };
    let (word, rest) = rest.split_once(' ').unwrap_or(("", rest));
    let is_item = ["struct", "enum", "trait", "type", "fn", "const", "static", "mod"].contains(&word);
    let end = rest.find(|letter: char| !letter.is_alphanumeric() && letter != '_').unwrap_or(rest.len());
    is_item.then(|| &rest[..end])
}

/// What a file shows below `prefix` without `internals`.
fn shown_by(text: &str, prefix: &str) -> Vec<Public> {
    let mut shown = Vec::new();
    let (mut module, mut hidden, mut statement) = (String::new(), false, String::new());
    for line in text.lines().filter(|line| !line.trim_start().starts_with("//")) {
        let code = line.trim_start();
        if !statement.is_empty() || code.starts_with("pub use ") {
            statement.push_str(code);
            if !code.ends_with(';') {
                continue;
            }
            let tree = statement.trim_start_matches("pub use ").trim_end_matches(';').to_owned();
            statement.clear();
            for leaf in leaves(&tree) {
                let (path, alias) = leaf.split_once(" as ").unwrap_or((&leaf, ""));
                let last = if alias.is_empty() { path.rsplit("::").next().unwrap() } else { alias };
                let path = path.trim_start_matches("crate::");
                shown.push(Public { name: format!("{prefix}{module}{last}"), path: path.to_owned() });
            }
        } else if let Some(item) = item_of(code).filter(|_| !hidden && !line.starts_with("     ")) {
            if code.starts_with("pub mod ") && code.ends_with('{') {
                module = format!("{item}::");
            } else if line == code || !module.is_empty() {
                shown.push(Public { name: format!("{prefix}{module}{item}"), path: item.to_owned() });
            }
        } else if line == "}" {
            module.clear();
        }
        hidden = code == "#[cfg(feature = \"internals\")]";
    }
    shown
}

/// The names of the root.
fn of_root() -> Vec<Public> {
    shown_by(&read("src/lib.rs"), "")
}

/// All of them, as the file lists them: those of the root first.
fn all() -> Vec<String> {
    let mut names: Vec<_> = of_root();
    names.extend(shown_by(&read("src/extension.rs"), "extension::"));
    names.extend(shown_by(&read("src/testing/mod.rs"), "testing::"));
    let names: BTreeSet<_> =
        names.into_iter().map(|public| (public.name.contains("::"), public.name)).collect();
    names.into_iter().map(|(_, name)| name).collect()
}

#[test]
fn the_public_names_are_those_of_the_list() {
    let names = all();
    if std::env::var_os("TIDEMILL_BLESS").is_some() {
        std::fs::write(Path::new(ROOT).join(FILE), format!("{}\n", names.join("\n"))).unwrap();
    }
    let listed = read(FILE);
    let listed: Vec<_> = listed.lines().collect();
    let new: Vec<_> = names.iter().filter(|name| !listed.contains(&name.as_str())).collect();
    let lost: Vec<_> = listed.iter().filter(|name| !names.iter().any(|known| known == *name)).collect();
    assert!(
        new.is_empty() && lost.is_empty(),
        "the public names are not those of {FILE}: new are {new:?}, lost are {lost:?}. Programs depend on them; if \
         the change is meant, run TIDEMILL_BLESS=1 cargo test --test it public_names, and name it in CHANGELOG.md"
    );
    assert_eq!(names, listed, "{FILE} is not sorted: run TIDEMILL_BLESS=1 cargo test --test it public_names");
}

#[test]
fn the_root_has_few_names() {
    let names = of_root().len();
    assert!(
        names <= MOST_ROOT_NAMES,
        "the root has {names} names, {MOST_ROOT_NAMES} are allowed: put new ones into tidemill::extension"
    );
}

/// The file of a module below `src`.
fn file_of(module: &[&str]) -> Option<String> {
    let path = ["src"].iter().chain(module).copied().collect::<Vec<_>>().join("/");
    [format!("{path}.rs"), format!("{path}/mod.rs")]
        .into_iter()
        .find(|path| Path::new(ROOT).join(path).exists())
}

/// The docs of the file itself.
fn head(path: &str) -> String {
    read(path).lines().map_while(|line| line.strip_prefix("//!")).collect::<Vec<_>>().join("\n")
}

/// The docs of a public name: of its definition, which other `pub use` may lead to.
fn docs_of(path: &str) -> String {
    let crates = ["tidemill_embedded_postgres", "tidemill_secrecy"];
    if crates.contains(&path) {
        let name = path.trim_start_matches("tidemill_").replace('_', "-");
        return head(&format!("crates/{name}/src/lib.rs"));
    }
    let parts: Vec<_> = path.split("::").collect();
    if let Some(file) = file_of(&parts) {
        return head(&file);
    }
    let (&name, module) = parts.split_last().unwrap();
    let file = file_of(module).unwrap_or_else(|| panic!("there is no file of {path}"));
    let text = read(&file);
    let lines: Vec<_> = text.lines().collect();
    if let Some(at) = lines.iter().position(|line| item_of(line) == Some(name)) {
        let above = lines[..at].iter().rev().take_while(|line| !line.is_empty() && line.trim() != "}");
        let docs: Vec<_> = above.filter_map(|line| line.strip_prefix("///")).collect();
        return docs.into_iter().rev().collect::<Vec<_>>().join("\n");
    }
    let inner = shown_by(&text, "").into_iter().find(|inner| inner.name == name);
    let inner = inner.unwrap_or_else(|| panic!("{file} does not define {name}")).path;
    docs_of(&format!("{}::{}", module.join("::"), inner.trim_start_matches("self::")))
}

#[test]
fn every_root_name_has_docs_with_an_example() {
    let mut wrong = Vec::new();
    for Public { name, path } in of_root() {
        let docs = docs_of(&path);
        let example = docs.split_once("# Examples").map_or("", |(_, example)| example);
        if docs.split("# Examples").next().unwrap().trim().is_empty() {
            wrong.push(format!("{name} has no docs"));
        } else if !example.contains("```") || example.contains("```ignore") {
            wrong.push(format!("{name} has no # Examples with code that compiles"));
        }
    }
    assert!(wrong.is_empty(), "docs of names in src/lib.rs: {wrong:#?}");
}

/// The paths below `tidemill::` that code names.
fn named_in(code: &str) -> Vec<String> {
    let mut named = Vec::new();
    for (at, word) in code.match_indices("tidemill::") {
        if code[..at].ends_with(|letter: char| letter.is_alphanumeric() || "_:-".contains(letter)) {
            continue;
        }
        let rest = &code[at + word.len()..];
        let end = rest
            .find(|letter: char| !letter.is_alphanumeric() && !"_:".contains(letter))
            .unwrap_or(rest.len());
        let tree = if rest[end..].starts_with('{') && (end == 0 || rest[..end].ends_with("::")) {
            &rest[..rest.find(';').unwrap_or(rest.len())]
        } else {
            rest[..end].trim_end_matches(':')
        };
        named.extend(leaves(tree).iter().map(|leaf| leaf.split(" as ").next().unwrap().to_owned()));
    }
    named
}

/// Those of them that are not public.
fn not_public(code: &str, public: &[String]) -> Vec<String> {
    let below = |path: &str, name: &str| path.strip_prefix(name).is_some_and(|rest| rest.starts_with("::"));
    let is_public = |path: &str| {
        public.iter().any(|name| {
            path == name || below(name, path) || (below(path, name) && !MODULES.contains(&name.as_str()))
        })
    };
    named_in(code).into_iter().filter(|path| !is_public(path)).collect()
}

/// The code in docs: below comments of Rust, or of Markdown in blocks that begin with `rust`.
fn examples_of(source: &Source) -> String {
    let is_markdown = source.path.ends_with(".md");
    let mut code = String::new();
    let mut open = false;
    for line in source.text.lines().map(str::trim_start) {
        let line = match (is_markdown, line.strip_prefix("///").or_else(|| line.strip_prefix("//!"))) {
            (true, _) => line,
            (false, Some(doc)) => doc.trim_start().trim_start_matches("# "),
            (false, None) => continue,
        };
        if line.starts_with("```") {
            open = !open && (!is_markdown || line.starts_with("```rust"));
        } else if open {
            code.push_str(line);
            code.push('\n');
        }
    }
    code
}

#[test]
fn examples_use_only_public_names() {
    let public = all();
    let mut files: Vec<_> =
        sources("src").iter().map(|source| (source.path.clone(), examples_of(source))).collect();
    let pages =
        texts("docs", "md").into_iter().chain([Source { path: "README.md".into(), text: read("README.md") }]);
    files.extend(pages.map(|page| (page.path.clone(), examples_of(&page))));
    files.extend(["examples", "tests/host"].into_iter().flat_map(sources).map(|file| (file.path, file.text)));
    let mut wrong = Vec::new();
    for (path, code) in files {
        let found = not_public(&code, &public);
        match NEED_INTERNALS.iter().find(|(known, _)| *known == path) {
            Some(_) if found.is_empty() => wrong.push(format!("{path} needs no exception any more")),
            None if !found.is_empty() => wrong.push(format!("{path}: {found:?}")),
            _ => {}
        }
    }
    assert!(wrong.is_empty(), "use the names of {FILE}: {wrong:#?}");
}

/// Else the tests above would pass on anything.
#[test]
fn a_name_that_is_not_public_is_found() {
    let public = all();
    let code = "use tidemill::{\n    Store,\n    store::{Pool, db::migrate::migrate},\n};\nlet a = tidemill::Options::new(url);
        use tidemill::extension::{http::{Body, Hidden}, jobs}; tidemill_hub::x(); fn x() -> tidemill::worker::Pulse {}";
    let found = not_public(code, &public);
    assert_eq!(
        found,
        ["store::Pool", "store::db::migrate::migrate", "extension::http::Hidden", "worker::Pulse"]
    );
    let shown = shown_by(
        "#[cfg(feature = \"internals\")]\npub mod api;\npub mod b;\npub use c::{\n    D,\n    e as f,\n};",
        "",
    );
    let names: Vec<_> = shown.iter().map(|public| (public.name.as_str(), public.path.as_str())).collect();
    assert_eq!(names, [("b", "b"), ("D", "c::D"), ("f", "c::e")]);
}
