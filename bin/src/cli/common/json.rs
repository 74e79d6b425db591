//! Reads JSON from the command line or from a file so that it can be sent on exactly as written.
//! Must refuse a value that would change.

use serde_json::Value;

use tidemill::job::number::Carried;

/// Reads a JSON text; the error says why it cannot be sent on.
pub(crate) fn read(text: &str) -> Result<Value, String> {
    let carried: Carried = serde_json::from_str(text).map_err(|error| format!("it is not JSON: {error}"))?;
    carried.kept().map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_number_is_exact_or_refused() {
        assert_eq!(read(r#"{"id": 18446744073709551615, "n": 0.1}"#), Ok(json!({"id": u64::MAX, "n": 0.1})));
        for (text, why) in [
            ("25000000000000000001", "cannot be kept"),
            (r#"{"a":[12345678901234567.89]}"#, "12345678901234567.89"),
            ("1e400", "cannot be kept"),
            ("{", "not JSON"),
        ] {
            let message = read(text).unwrap_err();
            assert!(message.contains(why), "{text}: {message}");
        }
    }
}
