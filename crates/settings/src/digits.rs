//! Finds numbers of a config file that a double cannot hold: their digits would be lost on the way
//! into the args of a schedule. Reports only the line, because a number may be a password.

use config::ValueKind;

use super::section::Table;
use tidemill::job::number::is_kept;

/// The first line of a file with such a number.
pub fn lost(text: &str, table: &Table) -> Option<usize> {
    let mut doubles = Vec::new();
    for value in table.values() {
        collect(&value.kind, &mut doubles);
    }
    if doubles.is_empty() {
        return None;
    }
    let is_lost = |token: &str| {
        let number = token.replace('_', "");
        let number = number.trim_start_matches('+');
        number.parse().is_ok_and(|double: f64| doubles.contains(&double)) && !is_kept(number)
    };
    let position = text.lines().position(|line| {
        line.split(|letter: char| !(letter.is_ascii_alphanumeric() || "+-._".contains(letter))).any(is_lost)
    });
    position.map(|line| line + 1)
}

fn collect(value: &ValueKind, doubles: &mut Vec<f64>) {
    match value {
        // A value without digits loses none.
        ValueKind::Float(double) if double.is_finite() => doubles.push(*double),
        ValueKind::Array(items) => items.iter().for_each(|item| collect(&item.kind, doubles)),
        ValueKind::Table(table) => table.values().for_each(|item| collect(&item.kind, doubles)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use config::{FileFormat, Source};

    use super::*;

    fn line(text: &str, format: FileFormat) -> Option<usize> {
        let table = config::File::from_str(text, format).collect().unwrap();
        lost(text, &table.into_iter().collect())
    }

    #[test]
    fn only_numbers_that_were_read_as_doubles_are_judged() {
        let toml = "[a]\nn = 0.1\nid = 9_223_372_036_854_775_807\nbig = 1e300\ntext = '''\n12345678901234567.89\n'''\n";
        assert_eq!(line(toml, FileFormat::Toml), None);
        assert_eq!(
            line(&format!("{toml}args = {{ amount = 12345678901234567.89 }}\n"), FileFormat::Toml),
            Some(6)
        );
        assert_eq!(line("a = 1.0\nb = 1_2345678901234567.89\n", FileFormat::Toml), Some(2));
        let yaml = "a:\n  b: 0.25\n  c: |\n    12345678901234567.89\n";
        assert_eq!(line(yaml, FileFormat::Yaml), None);
        assert_eq!(line("a:\n  - 12345678901234567.89\n", FileFormat::Yaml), Some(2));
    }
}
