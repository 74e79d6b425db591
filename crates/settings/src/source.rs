//! The sources of settings: the file, `.env`, the environment and flags; later ones take
//! precedence. Merges them and remembers the source of each value; must never judge a value.

use std::fmt;
use std::path::{Path, PathBuf};

use config::{FileFormat, Source, Value, ValueKind};

use super::digits::lost;
use super::error::{ConfigError, WrongSetting};
use super::origins::ListedOrigins;
use super::place::Place;
use super::section::{DeclaredSetting, Table};

/// The files that are looked for when none is named.
const NAMES: &[&str] = &["tidemill.toml", "tidemill.yaml", "tidemill.yml"];
const PREFIX: &str = "TIDEMILL_";
/// A variable without our prefix that other services of a deployment read as well; it means `api.cors_origins`.
const ALLOWED_ORIGINS: &str = "ALLOWED_ORIGINS";
/// The prefixes of variables of systems that Tidemill replaces; they are ignored here.
const FOREIGN: [&str; 3] = ["CELERY_", "BG_", "TASK_"];

/// A variable of the environment or of `.env`. Never shown whole: its value may be a secret.
#[derive(Clone, PartialEq)]
pub struct Variable {
    pub name: String,
    pub value: String,
    /// `environment`, or `.env` with the line.
    pub origin: String,
    /// Why the value is not usable.
    pub fault: Option<String>,
    /// Quotes in it are part of it, because they do not enclose it.
    pub raw: bool,
}

impl Variable {
    /// A variable of the environment.
    #[must_use]
    pub fn of_environment(name: &str, value: &str) -> Self {
        let (name, value) = (name.to_owned(), value.to_owned());
        Self { name, value, origin: "environment".to_owned(), fault: None, raw: false }
    }
}

impl fmt::Debug for Variable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Variable")
            .field("name", &self.name)
            .field("origin", &self.origin)
            .finish_non_exhaustive()
    }
}

/// A setting given on the command line.
#[derive(Clone, PartialEq)]
pub struct Flag {
    /// The flag as it was typed, such as `--listen`.
    pub flag: String,
    /// The key, such as `["api", "listen"]`.
    pub key: Vec<String>,
    /// The value.
    pub value: String,
}

impl Flag {
    /// `--flag value` for the setting under `key`.
    pub fn new(flag: &str, key: &[&str], value: impl Into<String>) -> Self {
        let key = key.iter().map(|&part| part.to_owned()).collect();
        Self { flag: flag.to_owned(), key, value: value.into() }
    }
}

impl fmt::Debug for Flag {
    /// Without the value, which may be a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flag").field("flag", &self.flag).field("key", &self.key).finish_non_exhaustive()
    }
}

/// The config file in `folder`, if there is one.
///
/// # Errors
/// If that fails; the error says why.
pub fn find(folder: &Path) -> Result<Option<PathBuf>, ConfigError> {
    let mut found = NAMES.iter().map(|name| folder.join(name)).filter(|path| path.exists());
    match (found.next(), found.next()) {
        (Some(first), Some(second)) => Err(ConfigError::TwoFiles { first, second }),
        (first, _) => Ok(first),
    }
}

/// Reads a TOML or YAML file.
///
/// # Errors
/// If that fails; the error says why.
pub fn read_file(path: &Path) -> Result<Table, ConfigError> {
    let format = match path.extension().and_then(|extension| extension.to_str()) {
        Some("toml") => FileFormat::Toml,
        Some("yaml" | "yml") => FileFormat::Yaml,
        _ => return Err(ConfigError::UnknownFormat { path: path.into() }),
    };
    let text = std::fs::read_to_string(path).map_err(|cause| match cause.kind() {
        std::io::ErrorKind::NotFound => ConfigError::Missing { path: path.into() },
        _ => ConfigError::Unreadable { path: path.into(), cause },
    })?;
    let table = config::File::from_str(&text, format).collect().map_err(|error| {
        let message = match error {
            config::ConfigError::FileParse { cause, .. } => cause.to_string(),
            other => other.to_string(),
        };
        ConfigError::Syntax { path: path.into(), message: without_excerpt(&message) }
    })?;
    let table = table.into_iter().collect();
    if let Some(line) = lost(&text, &table) {
        let message = format!("line {line}: a number cannot be kept as it is; put it into quotes");
        return Err(ConfigError::Syntax { path: path.into(), message });
    }
    Ok(table)
}

/// A parser's message, without the line of the file that it shows: the line may contain a password.
fn without_excerpt(message: &str) -> String {
    let is_excerpt = |line: &str| {
        let margin = line.trim_start().trim_start_matches(|c: char| c.is_ascii_digit());
        margin.trim_start().starts_with('|')
    };
    let kept: Vec<_> = message.lines().filter(|line| !is_excerpt(line)).map(str::trim_end).collect();
    kept.join("\n").trim_end().to_owned()
}

/// Merges variables such as `TIDEMILL_API__LISTEN` into `tree`. An empty one counts as not set, and
/// variables of other programs are ignored.
pub fn add_variables(
    places: &[Place],
    tree: &mut Table,
    variables: &[Variable],
    problems: &mut Vec<WrongSetting>,
) {
    let given = || variables.iter().filter(|variable| !variable.value.is_empty() || variable.fault.is_some());
    // Before the others, so that the proper name of the setting wins.
    if let Some(variable) = given().find(|variable| variable.name == ALLOWED_ORIGINS) {
        let origins = origins_of(variable).origins;
        if !origins.is_empty() {
            let key = ["api", "cors_origins"].map(str::to_owned);
            let origin = format!("{} {ALLOWED_ORIGINS}", variable.origin);
            set(tree, &key, Value::new(Some(&origin), origins));
        }
    }
    for variable in given() {
        let Some(rest) = variable.name.strip_prefix(PREFIX) else { continue };
        let origin = format!("{} {}", variable.origin, variable.name);
        if rest.contains("__") {
            if is_sound(variable, problems) {
                set(tree, &key_of(places, tree, rest), Value::new(Some(&origin), variable.value.as_str()));
            }
        } else if let Some(meant) = meant_by(places, rest) {
            let message = format!("no such setting; did you mean {meant}?");
            problems.push(WrongSetting {
                origin: variable.origin.clone(),
                key: variable.name.clone(),
                message,
            });
        }
    }
}

/// Reports an error in a Tidemill variable.
fn is_sound(variable: &Variable, problems: &mut Vec<WrongSetting>) -> bool {
    let Some(fault) = &variable.fault else { return true };
    let (origin, key) = (variable.origin.clone(), variable.name.clone());
    problems.push(WrongSetting { origin, key, message: fault.clone() });
    false
}

/// Variables of other systems that can be mistaken for our settings, and entries in the variables that we read that are
/// not ours, with their places.
#[must_use]
pub fn foreign(variables: &[Variable]) -> Vec<String> {
    let is_foreign = |variable: &&Variable| FOREIGN.iter().any(|prefix| variable.name.starts_with(prefix));
    let whole = variables.iter().filter(is_foreign).map(|one| format!("{} ({})", one.name, one.origin));
    let lists = variables.iter().filter(|variable| variable.name == ALLOWED_ORIGINS);
    let entries = lists.flat_map(|list| {
        let faults = origins_of(list).faults.into_iter();
        faults.map(move |fault| format!("{} ({}, {fault})", list.name, list.origin))
    });
    whole.chain(entries).collect()
}

/// The origins that a variable of the whole project lists. What is wrong with it is no fault of a setting.
fn origins_of(variable: &Variable) -> ListedOrigins {
    match &variable.fault {
        // Such as a variable in it that is not set: nothing of the list is certain.
        Some(fault) if !variable.raw => ListedOrigins { origins: Vec::new(), faults: vec![fault.clone()] },
        _ => ListedOrigins::read(&variable.value),
    }
}

/// Merges flags into `tree`.
pub fn add_flags(tree: &mut Table, flags: &[Flag]) {
    for flag in flags {
        set(tree, &flag.key, Value::new(Some(&flag.flag), flag.value.as_str()));
    }
}

/// The key that `KINDS__BUILD_CRATE__BACKOFF__FIRST` means: `kinds.build-crate.backoff.first`. Names
/// of kinds and queues are those of the tree, whatever their case and punctuation.
fn key_of(places: &[Place], tree: &Table, variable: &str) -> Vec<String> {
    let mut parts = variable.split("__");
    let section = parts.next().unwrap_or_default().to_lowercase();
    let place = places.iter().find(|place| place.key == section);
    let mut key = vec![section];
    if place.is_some_and(|place| place.named)
        && let Some(name) = parts.next()
    {
        key.push(known_name(tree.get(&key[0]), name));
    }
    let mut fields = place.map_or(&[][..], |place| place.fields);
    while let Some(part) = parts.next() {
        let part = part.to_lowercase();
        let field: Option<&DeclaredSetting> = fields.iter().find(|field| field.key == part);
        key.push(part);
        if field.is_some_and(|field| field.is_table) {
            // A free key, such as a variable's name, may hold anything.
            let rest: Vec<_> = parts.by_ref().collect();
            if !rest.is_empty() {
                key.push(rest.join("__"));
            }
        }
        fields = field.map_or(&[][..], |field| field.fields);
    }
    key
}

fn known_name(section: Option<&Value>, variable: &str) -> String {
    let plain = |name: &str| name.to_lowercase().replace(['-', '.'], "_");
    let wanted = plain(variable);
    let names = match section.map(|section| &section.kind) {
        Some(ValueKind::Table(table)) => Some(table.keys()),
        _ => None,
    };
    names.into_iter().flatten().find(|name| plain(name) == wanted).cloned().unwrap_or(wanted)
}

/// The variable that was meant where `DATABASE_URL` was written with one underscore too few. Other
/// names with our prefix are not ours: a container platform sets `TIDEMILL_SERVICE_HOST` and the like.
fn meant_by(places: &[Place], rest: &str) -> Option<String> {
    let lower = rest.to_lowercase();
    places.iter().filter(|place| !place.named).find_map(|place| {
        let key = lower.strip_prefix(place.key)?.strip_prefix('_')?;
        let field = place.fields.iter().find(|field| field.key == key)?;
        Some(format!("{PREFIX}{}__{}", place.key, field.key).to_uppercase())
    })
}

fn set(tree: &mut Table, key: &[String], value: Value) {
    let Some((first, rest)) = key.split_first() else { return };
    if rest.is_empty() {
        tree.insert(first.clone(), value);
        return;
    }
    let inner = tree.entry(first.clone()).or_insert_with(|| Value::new(None, Table::new()));
    if !matches!(inner.kind, ValueKind::Table(_)) {
        *inner = Value::new(None, Table::new());
    }
    if let ValueKind::Table(table) = &mut inner.kind {
        set(table, rest, value);
    }
}
