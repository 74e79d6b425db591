//! The very statements of the store's verbs, read from their source, with literals for their
//! parameters: so that two of them can be run against each other in open transactions.

/// The first statement of a store file, in Rust or in SQL; `parameters[0]` stands for `$1`.
pub(crate) fn statement(source: &str, parameters: &[&str]) -> String {
    let in_rust = source.split("r#\"").nth(1).and_then(|rest| rest.split("\"#").next());
    let lines = in_rust.unwrap_or(source).lines().filter(|line| !line.trim_start().starts_with("--"));
    let mut sql = lines.collect::<Vec<_>>().join("\n");
    // From the last, so that `$1` does not touch `$10`.
    for (at, value) in parameters.iter().enumerate().rev() {
        sql = sql.replace(&format!("${}", at + 1), value);
    }
    assert!(!sql.contains('$'), "a parameter is missing: {sql}");
    sql
}
