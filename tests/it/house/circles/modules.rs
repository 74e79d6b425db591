//! The modules of the crates: what each file defines, imports and names, and in which file the item
//! behind a path is defined. Reads text only: an item that a macro makes belongs to the module that
//! the path names.

use std::collections::{BTreeMap, BTreeSet};

use super::graph::Graph;
use super::tokens::tokens;

/// Imports lead to imports; longer chains than this are circles of names.
const LONGEST_CHAIN: usize = 16;
const ITEMS: [&str; 9] = ["fn", "struct", "enum", "trait", "type", "const", "static", "union", "macro_rules"];

type Path = Vec<String>;

/// One file as a module; its place is the folder of its crate's sources and the names below it.
#[derive(Default)]
struct Module {
    file: String,
    items: BTreeSet<String>,
    /// Of each `use`: the name in this file, and the path.
    imports: Vec<(String, Path)>,
    globs: Vec<Path>,
    /// Every other path with two names or more.
    paths: Vec<Path>,
}

/// Every module by its place.
pub(super) struct Modules(BTreeMap<Path, Module>);

impl Modules {
    /// Reads files, each a path that contains `src/`, and a text.
    pub(super) fn of<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        Self(files.into_iter().map(|(file, text)| (place(file), Module::read(file, text))).collect())
    }

    /// Each file with the files whose items it names.
    pub(super) fn graph(&self) -> Graph {
        let named = self.0.iter().map(|(place, module)| {
            let imported = module.imports.iter().map(|(_, path)| path).chain(&module.paths);
            let items = imported.filter_map(|path| self.item(place, path, 0));
            let globs = module.globs.iter().filter_map(|path| self.module(place, path, 0));
            let files = items.chain(globs.map(|place| self.0[place].file.clone()));
            (module.file.clone(), files.filter(|file| *file != module.file).collect())
        });
        named.collect()
    }

    /// The file that defines the item behind a path; none for a module and for another crate's.
    fn item(&self, from: &[String], path: &[String], chain: usize) -> Option<String> {
        if chain > LONGEST_CHAIN {
            return None;
        }
        let (mut place, mut rest) = self.start(from, path)?;
        loop {
            let (name, after) = rest.split_first()?;
            let module = self.0.get(&place)?;
            let child = [place.as_slice(), std::slice::from_ref(name)].concat();
            if !after.is_empty() && self.0.contains_key(&child) {
                (place, rest) = (child, after);
                continue;
            }
            if module.items.contains(name) {
                return Some(module.file.clone());
            }
            if let Some((_, import)) = module.imports.iter().find(|(alias, _)| alias == name) {
                return self.item(&place, &[import, after].concat(), chain + 1);
            }
            if self.0.contains_key(&child) {
                return None;
            }
            let globs = module.globs.iter().filter_map(|glob| self.module(&place, glob, chain));
            let through = globs
                .filter(|glob| self.0[*glob].names(name))
                .find_map(|glob| self.item(glob, &[&["self".to_owned()], rest].concat(), chain + 1));
            return through.or_else(|| Some(module.file.clone()));
        }
    }

    /// The module behind a path.
    fn module(&self, from: &[String], path: &[String], chain: usize) -> Option<&Path> {
        if chain > LONGEST_CHAIN {
            return None;
        }
        let (place, rest) = self.start(from, path)?;
        self.0.get_key_value(&[&place, rest].concat()).map(|(place, _)| place)
    }

    /// Where a path begins, and what of it remains.
    fn start<'a>(&self, from: &[String], path: &'a [String]) -> Option<(Path, &'a [String])> {
        let (first, rest) = path.split_first()?;
        match first.as_str() {
            "crate" => Some((from[..1].to_vec(), rest)),
            "self" => Some((from.to_vec(), rest)),
            "super" => {
                let (mut place, mut rest) = (from[..from.len() - 1].to_vec(), rest);
                while let Some(("super", after)) =
                    rest.split_first().map(|(name, after)| (name.as_str(), after))
                {
                    place.pop();
                    rest = after;
                }
                Some((place, rest))
            }
            name => {
                let module = self.0.get(from)?;
                let child = [from, std::slice::from_ref(first)].concat();
                // An import of another crate's name leads to itself.
                let imported = module.imports.iter().any(|(alias, path)| alias == name && path[0] != *first);
                (imported || self.0.contains_key(&child)).then(|| (from.to_vec(), path))
            }
        }
    }
}

impl Module {
    fn read(file: &str, text: &str) -> Self {
        let mut module = Self { file: file.to_owned(), ..Self::default() };
        let tokens = tokens(text);
        let (mut at, mut depth) = (0, 0);
        while let Some(token) = tokens.get(at) {
            at += 1;
            match *token {
                "{" => depth += 1,
                "}" => depth -= 1,
                // `use<…>` captures lifetimes.
                "use" if tokens.get(at) != Some(&"<") => at = module.tree(&tokens, at, &[]),
                _ if depth == 0 && ITEMS.contains(token) => {
                    let mut names =
                        tokens[at..].iter().filter(|name| !["!", "mut", "unsafe", "fn"].contains(name));
                    module.items.extend(names.next().map(|name| (*name).to_owned()));
                }
                _ if tokens.get(at) == Some(&"::") && is_name(token) => {
                    let begins = at < 2 || tokens[at - 2] != "::";
                    let path = path(&tokens[at - 1..]);
                    at += 2 * (path.len() - 1);
                    if begins {
                        module.paths.push(path);
                    }
                }
                _ => {}
            }
        }
        module
    }

    /// Reads a tree of imports from its first token; answers where it ends.
    fn tree(&mut self, tokens: &[&str], mut at: usize, before: &[String]) -> usize {
        let mut path = before.to_vec();
        let mut alias = None;
        while let Some(token) = tokens.get(at) {
            match *token {
                "::" if path.is_empty() => path.push("::".to_owned()),
                "::" => {}
                "*" => {
                    self.globs.push(path);
                    return at + 1;
                }
                "{" => {
                    at += 1;
                    while tokens.get(at).is_some_and(|token| *token != "}") {
                        at = self.tree(tokens, at, &path);
                        at += usize::from(tokens.get(at) == Some(&","));
                    }
                    return at + 1;
                }
                "as" => {
                    alias = tokens.get(at + 1).map(|name| (*name).to_owned());
                    at += 1;
                }
                "self" if !path.is_empty() => {}
                name if is_name(name) => path.push(name.to_owned()),
                _ => break,
            }
            at += 1;
        }
        if let Some(name) = alias.or_else(|| path.last().cloned()) {
            self.imports.push((name, path));
        }
        at
    }

    fn names(&self, name: &str) -> bool {
        self.items.contains(name) || self.imports.iter().any(|(alias, _)| alias == name)
    }
}

fn is_name(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// The names at the beginning of some tokens, with `::` between them.
fn path(tokens: &[&str]) -> Path {
    let names = tokens.chunks(2).take_while({
        let mut goes_on = true;
        move |pair| {
            let is_part = goes_on && is_name(pair[0]);
            goes_on = pair.get(1) == Some(&"::");
            is_part
        }
    });
    names.map(|pair| pair[0].to_owned()).collect()
}

/// `src/api/mod.rs` is `src/`, `api`.
fn place(file: &str) -> Path {
    let (folder, below) = file.split_once("src/").expect("a file of a crate");
    let names = below.trim_end_matches(".rs").split('/').filter(|name| !["mod", "lib"].contains(name));
    [format!("{folder}src/")].into_iter().chain(names.map(str::to_owned)).collect()
}
