//! The names of a hub project in the engine, and the queues of its jobs. Two projects of one engine
//! must never have the same name.

/// A name in the form that the engine accepts: lower case, without unsupported characters.
#[must_use]
pub fn engine_name(name: &str) -> String {
    let known = |c: &char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_-".contains(*c);
    let kept: String = name.to_ascii_lowercase().chars().filter(known).collect();
    kept.trim_start_matches(['_', '-']).to_owned()
}

/// The queue of the jobs of a kind. Jobs that neither build nor start do not wait for those that do.
#[must_use]
pub fn queue_of(kind: &str, queue: &str) -> String {
    match kind {
        "hub.stop" | "hub.logs" => quick_queue(queue),
        _ => queue.to_owned(),
    }
}

/// The queue of short jobs next to `queue`.
#[must_use]
pub fn quick_queue(queue: &str) -> String {
    const ENDING: &str = "-quick";
    /// The longest name.
    const LONGEST: usize = 63;
    let kept = queue.get(..LONGEST - ENDING.len()).unwrap_or(queue);
    format!("{kept}{ENDING}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quick_queue_has_a_name_that_may_be() {
        assert_eq!(quick_queue("hub"), "hub-quick");
        for length in 56..=63 {
            let name = quick_queue(&"q".repeat(length));
            assert!(name.len() <= 63 && name.ends_with("q-quick"), "{name}");
        }
    }
}
