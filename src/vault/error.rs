//! The errors of the vault.

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
    /// The file is too large.
    #[error("a file has at most {limit} bytes; raise storage.max_file_bytes")]
    FileTooLarge { limit: u64 },
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

#[cfg(feature = "storage-folder")]
impl From<object_store::Error> for VaultError {
    fn from(error: object_store::Error) -> Self {
        match error {
            object_store::Error::NotFound { path, .. } => Self::Missing(path),
            other => Self::Storage(other.to_string()),
        }
    }
}
