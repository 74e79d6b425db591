//! The JSON of jobs outside handlers: encrypted before it is stored, moved to object storage if it
//! is too large for a row, redacted before it is shown. Knows no SQL; must never show a key or an
//! encrypted value.

#[cfg(feature = "storage-folder")]
mod blob_store;
#[cfg(not(feature = "storage-folder"))]
#[path = "no_blob_store.rs"]
mod blob_store;
#[cfg(feature = "storage-folder")]
mod blob_writer;
mod error;
mod keyring;
mod limits;
mod redactor;
mod reserved;

pub use self::blob_store::{BlobReader, BlobStore, BlobWriter};
pub use self::error::{Result, VaultError};
pub use self::limits::LARGEST_FILE_BYTES;
pub use self::reserved::{SEALED, STORED, names, refuse_reserved, refuse_reserved_in};
pub use keyring::{Field, Keyring};
pub use redactor::{REDACTED, Redactor};
use serde_json::{Map, Value};

/// The keys, the storage and the names of secrets of one process.
#[derive(Debug, Default)]
pub struct Vault {
    /// The encryption keys.
    pub keyring: Keyring,
    /// The object storage for large values, if there is one.
    pub blob_store: Option<BlobStore>,
    /// The redaction.
    pub redactor: Redactor,
}

impl Vault {
    /// True if every value is stored unchanged.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.keyring.is_empty() && self.blob_store.is_none()
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
