//! Fills `${NAME}` in a description from the project's own variables. Must never read the worker's
//! environment, which has secrets of others.

use std::collections::BTreeMap;

use serde_json::Value;

use super::compose_error::Fault;

/// The variables of a project.
pub(super) type Variables = BTreeMap<String, String>;

/// Fills all texts below `key`.
pub(super) fn fill(key: &str, value: &mut Value, variables: &Variables) -> Result<(), Fault> {
    let inner = |name: &str| if key.is_empty() { name.to_owned() } else { format!("{key}.{name}") };
    match value {
        Value::String(text) if text.contains('$') => {
            *text = filled(text, variables).map_err(|message| Fault::new(key, message))?;
            Ok(())
        }
        Value::Array(items) => items
            .iter_mut()
            .enumerate()
            .try_for_each(|(at, item)| fill(&inner(&at.to_string()), item, variables)),
        Value::Object(fields) => {
            fields.iter_mut().try_for_each(|(name, value)| fill(&inner(name), value, variables))
        }
        _ => Ok(()),
    }
}

/// The text with its variables filled in, or the error.
pub(super) fn filled(text: &str, variables: &Variables) -> Result<String, String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            out.push('$');
            rest = after;
        } else if let Some(braced) = rest.strip_prefix('{') {
            let end = closing(braced).ok_or("has a ${ without a closing }")?;
            out.push_str(&value_of(&braced[..end], variables)?);
            rest = &braced[end + 1..];
        } else {
            let end = rest.find(|c: char| !is_name_character(c)).unwrap_or(rest.len());
            if end == 0 {
                return Err("has a single $; write $$ for a literal $".into());
            }
            out.push_str(&value_of(&rest[..end], variables)?);
            rest = &rest[end..];
        }
    }
    out.push_str(rest);
    Ok(out)
}

/// The position of the closing brace: a default may contain variables and braces of its own.
fn closing(text: &str) -> Option<usize> {
    let mut open = 1;
    text.find(|c| {
        open += match c {
            '{' => 1,
            '}' => -1,
            _ => 0,
        };
        open == 0
    })
}

fn is_name_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// `NAME`, `NAME:-default`, `NAME-default`, `NAME:?message` or `NAME?message`. A default is filled in as well, if it is needed.
fn value_of(expression: &str, variables: &Variables) -> Result<String, String> {
    let end = expression.find(|c: char| !is_name_character(c)).unwrap_or(expression.len());
    let (name, modifier) = expression.split_at(end);
    let set = variables.get(name);
    let full = set.filter(|value| !value.is_empty());
    let (found, otherwise) =
        match modifier.split_at(modifier.find(['-', '?']).map_or(modifier.len(), |at| at + 1)) {
            ("", "") | ("?", _) => (set, None),
            (":-", default) => (full, Some(default)),
            ("-", default) => (set, Some(default)),
            (":?", _) => (full, None),
            _ => return Err(format!("has ${{{expression}}}; use ${{NAME}} or ${{NAME:-default}}")),
        };
    match (found, otherwise) {
        (Some(value), _) => Ok(value.clone()),
        (None, Some(default)) => filled(default, variables),
        (None, None) => Err(format!(
            "uses the variable {name}, which is not set; set it in the project's env, in .env beside the file, or write ${{{name}:-default}}"
        )),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_default_may_hold_variables_and_braces() {
        let variables = Variables::from([("TAG".into(), "1.4".into()), ("A".into(), "1".into())]);
        for (text, value) in [
            ("web:${TAG:-${DEFAULT}}", "web:1.4"),
            ("web:${B:-${TAG}}-x", "web:1.4-x"),
            ("${B:-${C:-c}}/${C-$A}", "c/1"),
            ("${B:-{\"a\": {}}}", "{\"a\": {}}"),
            ("${B:-$$A}", "$A"),
        ] {
            assert_eq!(filled(text, &variables).as_deref(), Ok(value), "{text}");
        }
        for bad in ["${B:-${A}", "${B:-$C}", "${B:-${C}}"] {
            assert!(filled(bad, &variables).is_err(), "{bad}");
        }
    }

    #[test]
    fn variables_are_filled_and_missing_ones_named() {
        let variables = Variables::from([("A".into(), "1".into()), ("E".into(), String::new())]);
        let mut value = json!({ "a": ["$A-${A}${E}x", "${B:-b}", "${E-e}", "${E:-e}", "$$A", 5] });
        fill("", &mut value, &variables).unwrap();
        assert_eq!(value, json!({ "a": ["1-1x", "b", "", "e", "$A", 5] }));
        for bad in ["$", "${A", "${B}", "$B", "${E:?x}", "${A/x}", "a$-"] {
            let fault = fill("k", &mut json!({ "v": bad }), &variables).unwrap_err();
            assert_eq!(fault.key, "k.v", "{bad}");
        }
    }
}
