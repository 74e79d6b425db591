//! Prints the output of a command to standard output: tables for people, the API's own JSON for
//! scripts. Text of jobs must never reach a terminal as control codes.

use std::io::{IsTerminal, Write, stderr, stdout};

use comfy_table::{Table, presets};
use serde_json::Value;

use super::error::CliError;

/// Characters of a cell; a longer one is cut. The first column names the row and stays whole.
const WIDEST: usize = 40;

/// Writes a line.
pub(crate) fn line(text: &str) -> Result<(), CliError> {
    let mut out = stdout().lock();
    out.write_all(text.as_bytes())?;
    out.write_all(b"\n")?;
    Ok(out.flush()?)
}

/// Prints a note on standard error, separate from the output; ignores an error.
pub(crate) fn note(text: &str) {
    let _ = writeln!(stderr(), "{text}");
}

/// Whether the output goes to a terminal.
pub(crate) fn is_terminal() -> bool {
    stdout().is_terminal()
}

/// Writes a table; `rows` have as many cells as `header`.
pub(crate) fn table(header: &[&str], rows: Vec<Vec<String>>) -> Result<(), CliError> {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header.iter().copied());
    for row in rows {
        table.add_row(row.iter().enumerate().map(|(column, cell)| fitted(column, cell)));
    }
    line(&table.trim_fmt())
}

fn fitted(column: usize, cell: &str) -> String {
    let text = printable(cell).replace('\n', " ");
    match text.char_indices().nth(WIDEST) {
        Some((end, _)) if column > 0 => format!("{}…", &text[..end]),
        _ => text,
    }
}

/// A JSON value as a table cell: text unchanged, null as nothing.
pub(crate) fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(cell).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

/// Text without escape sequences and control characters other than tabs and line ends.
pub(crate) fn printable(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        if letter == '\u{1b}' && letters.next_if_eq(&'[').is_some() {
            // A control sequence ends with its first letter beyond parameters.
            letters.by_ref().find(|end| ('\u{40}'..='\u{7e}').contains(end));
        } else if !letter.is_control() || letter == '\t' || letter == '\n' {
            clean.push(letter);
        }
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_are_taken_out() {
        assert_eq!(printable("\u{1b}[1;32mgreen\u{1b}[0m\tü\u{7}\r"), "green\tü");
        assert_eq!(printable("\u{1b}]0;title\u{7}x\u{1b}["), "]0;titlex");
    }

    #[test]
    fn long_cells_are_cut_unless_they_name_the_row() {
        let long = "ü".repeat(50);
        assert_eq!(fitted(0, &long), long);
        assert_eq!(fitted(1, &long), format!("{}…", "ü".repeat(40)));
    }

    #[test]
    fn cells_are_plain() {
        assert_eq!(cell(&serde_json::json!(["a", 1, null])), "a, 1, ");
        assert_eq!(cell(&serde_json::json!({"a": 1})), "{\"a\":1}");
    }
}
