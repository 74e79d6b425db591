//! Numbers of JSON: whether a parsed number equals the written one. A value of this process holds a
//! 64-bit integer or a double, while Postgres and callers may have any number of digits. A number
//! that would lose digits must be refused, or shown as its text, and never rounded silently.

use std::borrow::Cow;
use std::fmt::Write;

use serde::{Deserialize, Deserializer, de};
use serde_json::Value;
use serde_json::value::RawValue;

/// A number that would lose digits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the number {0} cannot be kept as it is; send it as a text, in quotes")]
pub struct LosesDigits(String);

/// A JSON value as it was written, or the number in it that would lose digits.
#[derive(Debug, Clone, PartialEq)]
pub struct Carried(Result<Value, LosesDigits>);

impl Carried {
    /// The value.
    ///
    /// # Errors
    /// When a number in it would lose digits.
    pub fn kept(self) -> Result<Value, LosesDigits> {
        self.0
    }
}

impl Default for Carried {
    fn default() -> Self {
        Self(Ok(Value::Null))
    }
}

impl<'de> Deserialize<'de> for Carried {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        if let Some(number) = first_lost(raw.get()) {
            return Ok(Self(Err(LosesDigits(shortened(number)))));
        }
        serde_json::from_str(raw.get()).map(|value| Self(Ok(value))).map_err(de::Error::custom)
    }
}

/// A number may have any length.
fn shortened(number: &str) -> String {
    const MOST: usize = 60;
    if number.len() <= MOST { number.to_owned() } else { format!("{}…", &number[..MOST]) }
}

/// Whether this number, as JSON writes it, is read without a change of its value.
#[must_use]
pub fn is_kept(text: &str) -> bool {
    if !text.bytes().any(|byte| matches!(byte, b'.' | b'e' | b'E'))
        && (text.parse::<i64>().is_ok() || text.parse::<u64>().is_ok())
    {
        return true;
    }
    // Read as everything else is, not by the standard library, which may round otherwise.
    match serde_json::from_str::<f64>(text) {
        Ok(double) if double.is_finite() => {
            let mut shortest = String::with_capacity(32);
            let _ = write!(shortest, "{double:e}");
            Decimal::of(text) == Decimal::of(&shortest)
        }
        _ => false,
    }
}

/// The first number of a JSON text that would lose digits, as written.
#[must_use]
pub fn first_lost(json: &str) -> Option<&str> {
    numbers(json).find(|number| !is_kept(number))
}

/// The JSON text in which each number that would lose digits is a string of its digits.
#[must_use]
pub fn with_lost_as_text(json: &str) -> Cow<'_, str> {
    let mut quoted = String::new();
    let mut copied = 0;
    for number in numbers(json).filter(|number| !is_kept(number)) {
        let start = number.as_ptr().addr() - json.as_ptr().addr();
        quoted.push_str(&json[copied..start]);
        quoted.push('"');
        quoted.push_str(number);
        quoted.push('"');
        copied = start + number.len();
    }
    if copied == 0 {
        return Cow::Borrowed(json);
    }
    quoted.push_str(&json[copied..]);
    Cow::Owned(quoted)
}

/// The numbers of a text that is JSON.
fn numbers(json: &str) -> impl Iterator<Item = &str> {
    let bytes = json.as_bytes();
    let mut at = 0;
    std::iter::from_fn(move || {
        let mut in_string = false;
        while let Some(&byte) = bytes.get(at) {
            match byte {
                b'\\' if in_string => at += 1,
                b'"' => in_string = !in_string,
                b'-' | b'0'..=b'9' if !in_string => {
                    let start = at;
                    while bytes
                        .get(at)
                        .is_some_and(|byte| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E'))
                    {
                        at += 1;
                    }
                    return Some(&json[start..at]);
                }
                _ => {}
            }
            at += 1;
        }
        None
    })
}

/// The value of a number: `0.DIGITS` times ten to the power of an exponent; the digits neither begin nor end with a zero.
#[derive(PartialEq)]
struct Decimal {
    negative: bool,
    digits: String,
    exponent: i64,
}

impl Decimal {
    fn of(text: &str) -> Option<Self> {
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let negative = mantissa.starts_with('-');
        let (whole, fraction) = mantissa.trim_start_matches('-').split_once('.').unwrap_or((mantissa, ""));
        let whole = whole.trim_start_matches('-');
        let all = format!("{whole}{fraction}");
        let significant = all.trim_start_matches('0');
        if significant.is_empty() {
            return Some(Self { negative: false, digits: String::new(), exponent: 0 });
        }
        let leading = i64::try_from(all.len() - significant.len()).ok()?;
        let exponent: i64 = exponent.parse().ok()?;
        Some(Self {
            negative,
            digits: significant.trim_end_matches('0').to_owned(),
            exponent: exponent.checked_add(i64::try_from(whole.len()).ok()?)?.checked_sub(leading)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_value_holds_is_kept_however_it_is_written() {
        for kept in [
            "0",
            "-0",
            "-0.0",
            "0e5",
            "1.0",
            "1.50",
            "100",
            "1e2",
            "1E+2",
            "0.1",
            "-0.1",
            "1e-7",
            "1e300",
            "2.5e19",
            "0.30000000000000004",
            "18446744073709551615",
            "-9223372036854775808",
            "9007199254740993",
            "1.7976931348623157e308",
            "5e-324",
            "123456789012.345",
            "25000000000000000000.0",
            "1234567890.123456",
        ] {
            assert!(is_kept(kept), "{kept}");
        }
        for lost in [
            "25000000000000000001",
            "12345678901234567.89",
            "0.1234567890123456789",
            "1e400",
            "-1e400",
            "1e-400",
            "9007199254740993.5",
            "9007199254740993.0",
            "18446744073709551616",
            "-9223372036854775809",
            "1e99999999999999999999",
            "0.10000000000000001",
            "123456789012345678901234567890",
        ] {
            assert!(!is_kept(lost), "{lost}");
        }
    }

    #[test]
    fn numbers_are_found_outside_of_texts_only() {
        let json = r#"{"a 1e400":["\"1e400", 1, -2.5, {"b":25000000000000000001}],"c":1e400}"#;
        assert_eq!(numbers(json).collect::<Vec<_>>(), ["1", "-2.5", "25000000000000000001", "1e400"]);
        assert_eq!(first_lost(json), Some("25000000000000000001"));
        let quoted = r#"{"a 1e400":["\"1e400", 1, -2.5, {"b":"25000000000000000001"}],"c":"1e400"}"#;
        assert_eq!(with_lost_as_text(json), quoted);
        assert_eq!(first_lost(quoted), None);
        assert_eq!(with_lost_as_text(quoted), quoted);
        assert_eq!(first_lost("12345678901234567.89"), Some("12345678901234567.89"));
    }
}
