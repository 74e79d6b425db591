//! Reads a description key by key and knows its place. An unread key is refused, never ignored: a
//! service that starts without a part of its file is worse than one that does not start.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value};

use super::compose_error::Fault;

type Read<T> = Result<T, Fault>;

/// A value and its key.
#[derive(Debug, Clone)]
pub(super) struct Node<'a> {
    pub(super) key: String,
    pub(super) value: &'a Value,
}

impl<'a> Node<'a> {
    pub(super) fn new(key: impl Into<String>, value: &'a Value) -> Self {
        Self { key: key.into(), value }
    }

    /// A fault of this value.
    pub(super) fn fault(&self, message: impl Into<String>) -> Fault {
        Fault::new(self.key.clone(), message)
    }

    fn inner(&self, key: &str) -> String {
        if self.key.is_empty() { key.to_owned() } else { format!("{}.{key}", self.key) }
    }

    /// A text; numbers and booleans are written out, as they are in a container's environment.
    pub(super) fn text(&self) -> Read<String> {
        match self.value {
            Value::String(text) => Ok(text.clone()),
            Value::Number(number) => Ok(number.to_string()),
            Value::Bool(flag) => Ok(flag.to_string()),
            _ => Err(self.fault("is not text")),
        }
    }

    pub(super) fn number(&self) -> Read<i64> {
        let read = self.value.as_i64().or_else(|| self.value.as_str()?.parse().ok());
        read.ok_or_else(|| self.fault("is not a whole number"))
    }

    pub(super) fn flag(&self) -> Read<bool> {
        self.value.as_bool().ok_or_else(|| self.fault("is neither true nor false"))
    }

    pub(super) fn duration(&self) -> Read<Duration> {
        let read = humantime::parse_duration(&self.text()?);
        read.map_err(|_| self.fault("is not a duration such as 10s or 1m30s"))
    }

    /// The items of a list.
    pub(super) fn items(&self) -> Read<Vec<Node<'a>>> {
        let items = self.value.as_array().ok_or_else(|| self.fault("is not a list"))?;
        Ok(items.iter().enumerate().map(|(at, item)| Node::new(self.inner(&at.to_string()), item)).collect())
    }

    pub(super) fn texts(&self) -> Read<Vec<String>> {
        self.items()?.iter().map(Node::text).collect()
    }

    /// Texts: a list, or a single one.
    pub(super) fn one_or_more(&self) -> Read<Vec<String>> {
        if self.value.is_array() { self.texts() } else { Ok(vec![self.text()?]) }
    }

    /// Words: a list, or one text that is split like in a shell.
    pub(super) fn words(&self) -> Read<Vec<String>> {
        match self.value {
            Value::String(text) => {
                shlex::split(text).ok_or_else(|| self.fault("has a quote that does not end"))
            }
            _ => self.texts(),
        }
    }

    /// Names and values: a table, or a list of `NAME=value`. A missing value is `None`.
    pub(super) fn pairs(&self) -> Read<BTreeMap<String, Option<String>>> {
        if self.value.is_array() {
            let split = |text: String| match text.split_once('=') {
                Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
                None => (text, None),
            };
            return Ok(self.texts()?.into_iter().map(split).collect());
        }
        let entry = |(name, node): (String, Node<'a>)| {
            let value = if node.value.is_null() { None } else { Some(node.text()?) };
            Ok((name, value))
        };
        self.entries()?.into_iter().map(entry).collect()
    }

    /// The entries of a table of free names.
    pub(super) fn entries(&self) -> Read<BTreeMap<String, Node<'a>>> {
        let node = |(name, value): (&String, &'a Value)| (name.clone(), Node::new(self.inner(name), value));
        Ok(self.object()?.iter().map(node).collect())
    }

    /// A table with known keys.
    pub(super) fn table(&self) -> Read<Table<'a>> {
        Ok(Table { key: self.key.clone(), left: self.entries()? })
    }

    fn object(&self) -> Read<&'a Map<String, Value>> {
        self.value.as_object().ok_or_else(|| self.fault("is not a table"))
    }
}

/// A table whose keys are read one by one.
#[derive(Debug)]
pub(super) struct Table<'a> {
    key: String,
    left: BTreeMap<String, Node<'a>>,
}

impl<'a> Table<'a> {
    /// The value of a key, if it is present and not null.
    pub(super) fn take(&mut self, key: &str) -> Option<Node<'a>> {
        self.left.remove(key).filter(|node| !node.value.is_null())
    }

    /// The value of a key, converted by `read`.
    pub(super) fn read<T>(&mut self, key: &str, read: impl FnOnce(&Node<'a>) -> Read<T>) -> Read<Option<T>> {
        self.take(key).map(|node| read(&node)).transpose()
    }

    /// Refuses unread keys, except extensions (`x-…`) and empty values.
    pub(super) fn finish(self, known: &str) -> Read<()> {
        let empty = |value: &Value| match value {
            Value::Null => true,
            Value::Object(fields) => fields.is_empty(),
            Value::Array(items) => items.is_empty(),
            _ => false,
        };
        let mut left = self.left.into_iter();
        match left.find(|(key, node)| !key.starts_with("x-") && !empty(node.value)) {
            None => Ok(()),
            Some((_, node)) => {
                Err(node.fault(format!("is not supported; remove it. Supported here: {known}")))
            }
        }
    }

    /// A fault of the table as a whole.
    pub(super) fn fault(&self, message: impl Into<String>) -> Fault {
        Fault::new(self.key.clone(), message)
    }
}
