//! What a reader sees in a Markdown file: its sections, its fenced blocks and the code in its lines.

use std::fs;
use std::path::{Path, PathBuf};

/// The repository.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub(crate) fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// README.md and every Markdown file of docs/.
pub(crate) fn all() -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = fs::read_dir(root().join("docs"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .collect();
    paths.push(root().join("README.md"));
    paths.sort();
    paths
}

/// A fenced block: what stands behind its fence, and its text.
#[derive(Debug, Clone)]
pub(crate) struct Block {
    pub(crate) language: String,
    pub(crate) text: String,
}

pub(crate) fn blocks(markdown: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut lines = markdown.lines();
    while let Some(line) = lines.next() {
        if let Some(language) = line.strip_prefix("```") {
            let text = lines
                .by_ref()
                .take_while(|line| *line != "```")
                .fold(String::new(), |text, line| text + line + "\n");
            blocks.push(Block { language: language.to_owned(), text });
        }
    }
    blocks
}

/// The section under a heading, up to the next heading of the same rank.
pub(crate) fn section<'a>(markdown: &'a str, heading: &str) -> &'a str {
    let start = markdown.find(&format!("{heading}\n")).unwrap_or_else(|| panic!("no heading {heading:?}"));
    let rank = &heading[..=heading.find(' ').expect("a heading has a space")];
    let body = &markdown[start + heading.len()..];
    &body[..body.find(&format!("\n{rank}")).unwrap_or(body.len())]
}

/// The code spans in the text outside of blocks.
pub(crate) fn spans(markdown: &str) -> Vec<String> {
    let mut text = String::new();
    let mut in_block = false;
    for line in markdown.lines() {
        if line.starts_with("```") {
            in_block = !in_block;
        } else if !in_block {
            text += line;
            text.push('\n');
        }
    }
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}
