//! A compose file's YAML as JSON, with anchors and merge keys (`<<`) resolved. Must never accept a
//! file with a duplicate key, or one that a JSON value cannot express.

use serde_json::{Map, Number, Value};
use yaml_rust2::{Yaml, YamlLoader};

use super::compose_error::Fault;

/// Reads the one document of a file.
pub(super) fn parse(text: &str) -> Result<Value, Fault> {
    let mut documents = YamlLoader::load_from_str(text)
        .map_err(|error| Fault::new("", format!("is not YAML: {error}; correct that place")))?;
    match (documents.pop(), documents.is_empty()) {
        (Some(document), true) => json("", document),
        (None, _) => Err(Fault::new("", "is empty")),
        (Some(_), false) => Err(Fault::new("", "holds several documents; keep one")),
    }
}

fn json(key: &str, yaml: Yaml) -> Result<Value, Fault> {
    Ok(match yaml {
        Yaml::Null => Value::Null,
        Yaml::Boolean(flag) => flag.into(),
        Yaml::Integer(number) => number.into(),
        Yaml::String(text) => text.into(),
        Yaml::Real(text) => match text.parse().ok().and_then(Number::from_f64) {
            Some(number) => number.into(),
            None => text.into(),
        },
        Yaml::Array(items) => {
            let items = items.into_iter().enumerate();
            Value::Array(
                items.map(|(at, item)| json(&inner(key, &at.to_string()), item)).collect::<Result<_, _>>()?,
            )
        }
        Yaml::Hash(entries) => object(key, entries)?,
        Yaml::Alias(_) | Yaml::BadValue => return Err(Fault::new(key, "is not a value")),
    })
}

fn object(key: &str, entries: yaml_rust2::yaml::Hash) -> Result<Value, Fault> {
    let (mut fields, mut merged) = (Map::new(), Map::new());
    for (name, value) in entries {
        let name = match name {
            Yaml::String(name) => name,
            Yaml::Integer(number) => number.to_string(),
            Yaml::Boolean(flag) => flag.to_string(),
            _ => return Err(Fault::new(key, "has a key that is not text")),
        };
        let value = json(&inner(key, &name), value)?;
        match (name.as_str(), value) {
            ("<<", Value::Object(more)) => merge(&mut merged, more),
            ("<<", Value::Array(several)) => {
                for more in several {
                    let Value::Object(more) = more else { return Err(no_table(key)) };
                    merge(&mut merged, more);
                }
            }
            ("<<", _) => return Err(no_table(key)),
            (_, value) => {
                fields.insert(name, value);
            }
        }
    }
    merge(&mut fields, merged);
    Ok(Value::Object(fields))
}

fn no_table(key: &str) -> Fault {
    Fault::new(inner(key, "<<"), "is neither a table nor a list of tables")
}

/// Adds missing keys.
fn merge(fields: &mut Map<String, Value>, more: Map<String, Value>) {
    for (name, value) in more {
        fields.entry(name).or_insert(value);
    }
}

fn inner(key: &str, name: &str) -> String {
    if key.is_empty() { name.to_owned() } else { format!("{key}.{name}") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn anchors_and_merge_keys_are_resolved() {
        let text = "x-base: &base\n  image: a\n  user: u\nservices:\n  web:\n    <<: *base\n    image: b\n    ports: [80, '81:81']\n";
        let read = parse(text).unwrap();
        assert_eq!(read["services"]["web"], json!({ "image": "b", "user": "u", "ports": [80, "81:81"] }));
    }

    #[test]
    fn what_is_no_single_document_is_refused() {
        for bad in ["", "a: [", "a: 1\n---\nb: 2", "a: 1\na: 2", "? [x]\n: 1", "<<: 3"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
