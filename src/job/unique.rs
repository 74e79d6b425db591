//! The rule for a unique job: its key, the jobs that hold the key and for how long, and the action
//! on a conflict. Only checks the rule; the database finds the holder of a key.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::limits::LONGEST_DURATION;

/// The shortest and the longest period or window.
const LASTING: std::ops::RangeInclusive<Duration> = Duration::from_secs(1)..=LONGEST_DURATION;
const MOST_NAMES: usize = 20;
/// The displayed statuses of a job.
pub const STATUSES: &[&str] =
    &["scheduled", "available", "waiting", "retrying", "running", "completed", "failed", "cancelled"];
/// The fields that can be replaced in a job that is not running yet.
pub const REPLACEABLE: &[&str] = &["args", "run_at", "priority", "max_attempts", "tags", "metadata"];
/// Jobs in these states always hold their key; otherwise a waiting job could exist twice.
const QUEUED: &[&str] = &["scheduled", "available", "waiting"];
const FIELDS: &[&str] = &["key", "by", "args", "states", "window", "period", "on_conflict", "replace"];

/// The rule for a unique job.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use tidemill::{NewJob, Unique};
///
/// // One export of a customer a day, whatever its other args are.
/// let daily = Unique {
///     args: vec!["customer".into()],
///     period: Some(Duration::from_hours(24)),
///     ..Unique::by_args()
/// };
/// let job = NewJob { unique: Some(daily), ..NewJob::new("export", Default::default()) };
/// ```
#[derive(Debug, Clone, Default, PartialEq, PartialOrd)]
pub struct Unique {
    /// A key that is shared by all kinds; `{name}` stands for an arg. `None` computes the key from the kind
    /// and the fields in `by` and `args`.
    pub key: Option<String>,
    /// The parts of the key: `kind` (always), `queue`, `args`. Kind and args if empty.
    pub by: Vec<String>,
    /// The args that count; all if empty.
    pub args: Vec<String>,
    /// The statuses in which an existing job holds its key; the unfinished ones if empty, with a window or
    /// period also `completed`.
    pub states: Vec<String>,
    /// How long after its enqueue a job holds its key.
    pub window: Option<Duration>,
    /// One job per period of the clock, by the time for which it is scheduled.
    pub period: Option<Duration>,
    /// The action if another job holds the key.
    pub on_conflict: OnConflict,
}

/// The action for a job whose key is held.
///
/// # Examples
///
/// ```
/// use tidemill::{OnConflict, Unique};
///
/// // A new request for an index moves the one that still waits.
/// let fields = vec!["args".into(), "run_at".into()];
/// let latest = Unique { on_conflict: OnConflict::Replace(fields), ..Unique::by_key("index:{name}") };
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd)]
pub enum OnConflict {
    /// The existing job is the answer.
    #[default]
    Keep,
    /// The new job is refused.
    Reject,
    /// The existing job takes these fields from the new one, unless it is running or finished.
    Replace(Vec<String>),
    /// The new job runs in the next period unless another job already does; then that job is the answer.
    NextPeriod,
}

/// Why a unique rule is invalid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail} {remedy}")]
pub struct UniqueError {
    /// JSON pointer into the rule.
    pub field: String,
    /// The error.
    pub detail: String,
    /// The remedy.
    pub remedy: String,
}

fn error(field: &str, detail: impl Into<String>, remedy: impl Into<String>) -> UniqueError {
    UniqueError { field: format!("/{field}"), detail: detail.into(), remedy: remedy.into() }
}

impl Unique {
    /// Unique by kind and all args among the unfinished jobs.
    #[must_use]
    pub fn by_args() -> Self {
        Self::default()
    }

    /// Unique by the given key.
    #[must_use]
    pub fn by_key(key: impl Into<String>) -> Self {
        Self { key: Some(key.into()), ..Self::default() }
    }

    /// Reads a unique rule in the format of REST and the config.
    ///
    /// # Errors
    /// With the invalid field.
    pub fn read(value: &Value) -> Result<Self, UniqueError> {
        let Value::Object(fields) = value else {
            return Err(UniqueError {
                field: String::new(),
                detail: "It is not an object.".into(),
                remedy: "Send an object; {} makes the job unique by its kind and args.".into(),
            });
        };
        let fields: Map<_, _> = fields
            .iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(k, v)| (k.clone(), v.clone()))
            .collect();
        if let Some(unknown) = fields.keys().find(|field| !FIELDS.contains(&field.as_str())) {
            return Err(error(unknown, "There is no such field.", format!("Use {}.", FIELDS.join(", "))));
        }
        let replace = words(&fields, "replace", Some(REPLACEABLE))?;
        let unique = Self {
            key: key(&fields)?,
            by: words(&fields, "by", Some(&["kind", "queue", "args"]))?,
            args: words(&fields, "args", None)?,
            states: words(&fields, "states", Some(STATUSES))?,
            window: lasting(&fields, "window")?,
            period: lasting(&fields, "period")?,
            on_conflict: on_conflict(&fields, replace)?,
        };
        unique.check()?;
        Ok(unique)
    }

    /// Checks that its parts fit together.
    ///
    /// # Errors
    /// With the field that does not.
    fn check(&self) -> Result<(), UniqueError> {
        if self.key.is_some() && !(self.by.is_empty() && self.args.is_empty()) {
            let detail = "With a key, by and args are not used.";
            return Err(error("key", detail, "Send either key, or by and args."));
        }
        if !self.args.is_empty() && !self.by.is_empty() && !self.by.iter().any(|word| word == "args") {
            return Err(error("by", "args are selected, but by does not name args.", "Add \"args\" to by."));
        }
        let missing = |word: &&&str| !self.states.iter().any(|state| state == **word);
        if let Some(missing) = QUEUED.iter().find(missing).filter(|_| !self.states.is_empty()) {
            let detail = format!("The states lack \"{missing}\".");
            return Err(error(
                "states",
                detail,
                "Keep scheduled, available and waiting; the other states are optional.",
            ));
        }
        if self.on_conflict == OnConflict::NextPeriod && self.period.is_none() {
            return Err(error("on_conflict", "next_period needs a period.", "Send period as well."));
        }
        Ok(())
    }

    /// The rule in the format of the SQL functions.
    #[must_use]
    pub fn to_spec(&self) -> Value {
        let list = |words: &[String]| (!words.is_empty()).then(|| words.to_vec());
        let seconds = |lasting: Option<Duration>| lasting.map(|lasting| lasting.as_secs_f64());
        let (on_conflict, replace) = match &self.on_conflict {
            OnConflict::Keep => ("keep", None),
            OnConflict::Reject => ("reject", None),
            OnConflict::Replace(fields) => ("replace", Some(fields)),
            OnConflict::NextPeriod => ("next_period", None),
        };
        let mut spec = json!({
            "key": self.key,
            "by": list(&self.by),
            "args": list(&self.args),
            "states": list(&self.states),
            "window": seconds(self.window),
            "period": seconds(self.period),
            "on_conflict": on_conflict,
            "replace": replace,
        });
        if let Value::Object(fields) = &mut spec {
            fields.retain(|_, value| !value.is_null());
        }
        spec
    }
}

fn key(fields: &Map<String, Value>) -> Result<Option<String>, UniqueError> {
    let remedy = "Send a text of 1 to 255 characters, none of them control characters.";
    match fields.get("key") {
        None => Ok(None),
        Some(Value::String(key))
            if (1..=255).contains(&key.chars().count()) && !key.chars().any(char::is_control) =>
        {
            Ok(Some(key.clone()))
        }
        Some(_) => Err(error("key", "It is not a key.", remedy)),
    }
}

/// A list of different words, of `allowed` ones if there are such; empty if it is not there.
fn words(
    fields: &Map<String, Value>,
    field: &str,
    allowed: Option<&[&str]>,
) -> Result<Vec<String>, UniqueError> {
    let Some(list) = fields.get(field) else { return Ok(Vec::new()) };
    let remedy = match allowed {
        Some(allowed) => format!("Send a list with some of {}.", allowed.join(", ")),
        None => format!("Send a list of 1 to {MOST_NAMES} names."),
    };
    let items = list.as_array().filter(|items| (1..=MOST_NAMES).contains(&items.len()));
    let Some(items) = items else { return Err(error(field, "It is not a list of words.", remedy)) };
    let word = |(index, item): (usize, &Value)| match item.as_str() {
        Some(word) if allowed.is_none_or(|allowed| allowed.contains(&word)) && !word.contains('\0') => {
            Ok(word.to_owned())
        }
        _ => Err(error(&format!("{field}/{index}"), format!("{item} is not allowed here."), remedy.clone())),
    };
    items.iter().enumerate().map(word).collect()
}

fn lasting(fields: &Map<String, Value>, field: &str) -> Result<Option<Duration>, UniqueError> {
    let Some(value) = fields.get(field) else { return Ok(None) };
    let parsed = match value {
        Value::String(text) => humantime::parse_duration(text).ok(),
        Value::Number(number) => number.as_f64().and_then(|secs| Duration::try_from_secs_f64(secs).ok()),
        _ => None,
    };
    let remedy = "Send text such as \"30s\" or \"1h\", or a number of seconds; 1 second to 10 years.";
    let found = parsed.filter(|duration| LASTING.contains(duration));
    found.map(Some).ok_or_else(|| error(field, format!("{value} is not an allowed period."), remedy))
}

fn on_conflict(fields: &Map<String, Value>, replace: Vec<String>) -> Result<OnConflict, UniqueError> {
    let word = fields.get("on_conflict").map_or(Some("keep"), Value::as_str);
    let chosen = match word {
        Some("keep") => OnConflict::Keep,
        Some("reject") => OnConflict::Reject,
        Some("next_period") => OnConflict::NextPeriod,
        Some("replace") if replace.is_empty() => {
            let remedy = format!("Send replace, a list with some of {}.", REPLACEABLE.join(", "));
            return Err(error("replace", "The fields to replace are missing.", remedy));
        }
        Some("replace") => return Ok(OnConflict::Replace(replace)),
        _ => {
            let remedy = "Use keep, reject, replace or next_period.";
            return Err(error("on_conflict", "There is no such on_conflict action.", remedy));
        }
    };
    if !replace.is_empty() {
        return Err(error(
            "replace",
            "replace needs on_conflict = \"replace\".",
            "Send on_conflict = \"replace\", or leave it out.",
        ));
    }
    Ok(chosen)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unique_rule_is_read_and_written() {
        let value = json!({
            "by": ["queue", "args"], "args": ["customer"], "states": ["scheduled", "available", "waiting"],
            "window": "1h", "period": 60, "on_conflict": "replace", "replace": ["args", "run_at"],
        });
        let unique = Unique::read(&value).unwrap();
        assert_eq!(unique.to_spec()["window"], json!(3600.0));
        assert_eq!(Unique::read(&unique.to_spec()).unwrap(), unique);
        assert_eq!(Unique::read(&json!({})).unwrap(), Unique::by_args());
        assert_eq!(Unique::by_key("a").to_spec(), json!({"key": "a", "on_conflict": "keep"}));
    }

    #[test]
    fn a_bad_unique_rule_names_its_field() {
        for (value, field) in [
            (json!([]), ""),
            (json!({"keys": "a"}), "/keys"),
            (json!({"key": ""}), "/key"),
            (json!({"key": "a\n"}), "/key"),
            (json!({"key": 1}), "/key"),
            (json!({"key": "a", "by": ["queue"]}), "/key"),
            (json!({"by": []}), "/by"),
            (json!({"by": ["kind", "priority"]}), "/by/1"),
            (json!({"by": ["queue"], "args": ["a"]}), "/by"),
            (json!({"args": "a"}), "/args"),
            (json!({"args": [1]}), "/args/0"),
            (json!({"states": ["scheduled", "available", "waiting", "done"]}), "/states/3"),
            (json!({"states": ["scheduled", "available", "running"]}), "/states"),
            (json!({"window": "soon"}), "/window"),
            (json!({"period": 0}), "/period"),
            (json!({"period": "20y"}), "/period"),
            (json!({"on_conflict": "drop"}), "/on_conflict"),
            (json!({"on_conflict": "next_period"}), "/on_conflict"),
            (json!({"on_conflict": "replace"}), "/replace"),
            (json!({"replace": ["args"]}), "/replace"),
            (json!({"on_conflict": "replace", "replace": ["kind"]}), "/replace/0"),
        ] {
            let error = Unique::read(&value).unwrap_err();
            assert_eq!(error.field, field, "{value}");
            assert!(error.remedy.ends_with('.') && error.detail.ends_with('.'), "{value}: {error}");
        }
    }
}
