//! The JSON of jobs outside handlers: encrypted before it is stored, moved to object storage if it
//! is too large for a row, redacted before it is shown. Knows no SQL; must never show a key or an
//! encrypted value.

#[cfg(feature = "storage")]
mod blob_store;
#[cfg(not(feature = "storage"))]
#[path = "no_blob_store.rs"]
mod blob_store;
mod keyring;
mod redactor;

pub use self::blob_store::Depot;
pub use keyring::{Field, Keyring};
pub use redactor::{REDACTED, Redactor};
use serde_json::{Map, Value};

/// The key of an object that represents an encrypted value.
pub const SEALED: &str = "$sealed";
/// The key of an object that represents a value in object storage.
pub const STORED: &str = "$stored";

/// Result of the vault.
pub type Result<T> = std::result::Result<T, VaultError>;

/// Why a value cannot be stored or read.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// A key of the config is invalid.
    #[error(
        "encryption key {which} cannot be used: {why}; write name:base64 of 32 random bytes, such as 2026-11:$(openssl rand -base64 32)"
    )]
    BadKey { which: usize, why: &'static str },
    /// This process does not have the key.
    #[error("this process does not have the encryption key {name}; add it to its encryption.keys")]
    MissingKey { name: String },
    /// It was changed, or encrypted with another key of the same name.
    #[error(
        "a value sealed with the key {name} cannot be opened: the value was changed, or the key is a \
         different one"
    )]
    Damaged { name: String },
    /// It cannot be encrypted.
    #[error("the value is too large to be sealed")]
    Unsealable,
    /// The address of the storage cannot be used.
    #[error("storage.url cannot be used: {0}")]
    BadStorage(String),
    /// There is no storage.
    #[error("it is in object storage, and none is configured for this process; set storage.url")]
    NoStorage,
    /// The storage failed.
    #[error("object storage failed: {0}")]
    Storage(String),
    /// There is no such file.
    #[error("there is no file {0} in object storage")]
    Missing(String),
    /// A caller's value looks like an internal one.
    #[error("a key of the value is called {0}, which is reserved")]
    Reserved(&'static str),
}

impl VaultError {
    /// True if the same call may succeed later, or in another process.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::MissingKey { .. } | Self::NoStorage | Self::Storage(_))
    }
}

/// The keys, the storage and the names of secrets of one process.
#[derive(Debug, Default)]
pub struct Vault {
    /// The encryption keys.
    pub keyring: Keyring,
    /// The object storage for large values, if there is one.
    pub depot: Option<Depot>,
    /// The redaction.
    pub redactor: Redactor,
}

impl Vault {
    /// True if every value is stored unchanged.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.keyring.is_empty() && self.depot.is_none()
    }

    /// The value with all encrypted parts decrypted; parts in object storage stay references.
    ///
    /// # Errors
    /// Without its key, and for a changed value.
    pub fn open(&self, value: Value) -> Result<Value> {
        if !names(&value, SEALED) {
            return Ok(value);
        }
        match value {
            Value::Object(fields) => self.open_object(fields),
            Value::Array(items) => items.into_iter().map(|item| self.open(item)).collect(),
            plain => Ok(plain),
        }
    }

    fn open_object(&self, mut fields: Map<String, Value>) -> Result<Value> {
        let sealed =
            if fields.get(SEALED).is_some_and(Value::is_object) { fields.remove(SEALED) } else { None };
        let mut others = Map::new();
        for (key, field) in fields {
            // The store, which has the database, reads references.
            others.insert(key.clone(), if key == STORED { field } else { self.open(field)? });
        }
        let Some(sealed) = sealed else { return Ok(Value::Object(others)) };
        // Results of other jobs are added next to encrypted args.
        Ok(match self.keyring.open(&sealed)? {
            Value::Object(mut opened) => {
                opened.extend(others);
                Value::Object(opened)
            }
            opened => opened,
        })
    }

    /// The value for people: decrypted as far as this process can, and redacted.
    pub fn show(&self, value: &mut Value) {
        match self.open(value.take()) {
            Ok(opened) => *value = opened,
            Err(error) => *value = Value::String(format!("[sealed: {error}]")),
        }
        self.redactor.redact(value);
    }
}

/// Whether `key` appears anywhere in the value.
#[must_use]
pub fn names(value: &Value, key: &str) -> bool {
    match value {
        Value::Object(fields) => names_in(fields, key),
        Value::Array(items) => items.iter().any(|item| names(item, key)),
        _ => false,
    }
}

fn names_in(fields: &Map<String, Value>, key: &str) -> bool {
    fields.contains_key(key) || fields.values().any(|field| names(field, key))
}

/// Refuses a caller's value that could be taken for an encrypted or stored one.
///
/// # Errors
/// For those.
pub fn refuse_reserved(value: &Value) -> Result<()> {
    refuse(|key| names(value, key))
}

/// As [`refuse_reserved`], for the fields of an object.
///
/// # Errors
/// For those.
pub fn refuse_reserved_in(fields: &Map<String, Value>) -> Result<()> {
    refuse(|key| names_in(fields, key))
}

fn refuse(has: impl Fn(&str) -> bool) -> Result<()> {
    let reserved = [SEALED, STORED].into_iter().find(|key| has(key));
    reserved.map_or(Ok(()), |key| Err(VaultError::Reserved(key)))
}
