//! What an engine calls a project of the hub. Two projects of one engine may not be called the same.

/// A name as the engine takes it: lower case, without what it does not know.
#[must_use]
pub fn engine_name(name: &str) -> String {
    let known = |c: &char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_-".contains(*c);
    let kept: String = name.to_ascii_lowercase().chars().filter(known).collect();
    kept.trim_start_matches(['_', '-']).to_owned()
}
