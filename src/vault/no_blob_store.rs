//! Replaces object storage in a build without the feature `storage-folder`: configuring one is an error.

use bytes::Bytes;
use futures_util::stream::BoxStream;

use super::error::{Result, VaultError};

/// Storage that does not exist.
#[derive(Debug, Clone)]
pub enum BlobStore {}

impl BlobStore {
    /// Refuses.
    ///
    /// # Errors
    /// Always.
    pub fn open(_: &str, _: impl IntoIterator<Item = (String, String)>, _: usize) -> Result<Self> {
        Err(VaultError::BadStorage(
            "this build has no object storage; build it with the feature storage".into(),
        ))
    }

    /// The same as with storage.
    #[must_use]
    pub fn inline_bytes(&self) -> usize {
        match *self {}
    }

    /// The same as with storage.
    #[must_use]
    pub fn with_max_file_bytes(self, _: u64) -> Self {
        match self {}
    }

    /// The same as with storage.
    #[must_use]
    pub fn max_file_bytes(&self) -> u64 {
        match *self {}
    }

    /// The same as with storage.
    #[must_use]
    pub fn begin(&self, _: &str) -> BlobWriter {
        match *self {}
    }

    /// The same as with storage.
    ///
    /// # Errors
    /// None.
    #[expect(clippy::unused_async, reason = "as where there is storage")]
    pub async fn put(&self, _: &str, _: Bytes) -> Result<()> {
        match *self {}
    }

    /// The same as with storage.
    ///
    /// # Errors
    /// None.
    #[expect(clippy::unused_async, reason = "as where there is storage")]
    pub async fn get(&self, _: &str) -> Result<Bytes> {
        match *self {}
    }

    /// The same as with storage.
    ///
    /// # Errors
    /// None.
    #[expect(clippy::unused_async, reason = "as where there is storage")]
    pub async fn open_file(&self, _: &str) -> Result<BlobReader> {
        match *self {}
    }

    /// The same as with storage.
    ///
    /// # Errors
    /// None.
    #[expect(clippy::unused_async, reason = "as where there is storage")]
    pub async fn delete(&self, _: &str) -> Result<()> {
        match *self {}
    }
}

/// A file that cannot be there.
#[derive(Debug)]
pub enum BlobReader {}

impl BlobReader {
    /// The same as with storage.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        match *self {}
    }

    /// The same as with storage.
    ///
    /// # Errors
    /// None.
    #[expect(clippy::unused_async, reason = "as where there is storage")]
    pub async fn whole(self) -> Result<Bytes> {
        match self {}
    }

    /// The same as with storage.
    #[must_use]
    pub fn pieces(self) -> BoxStream<'static, Result<Bytes>> {
        match self {}
    }
}

/// A file that cannot be on its way.
#[derive(Debug)]
pub enum BlobWriter {}

impl BlobWriter {
    /// The same as with storage.
    ///
    /// # Errors
    /// None.
    #[expect(clippy::unused_async, reason = "as where there is storage")]
    pub async fn put(&mut self, _: Bytes) -> Result<()> {
        match *self {}
    }

    /// The same as with storage.
    ///
    /// # Errors
    /// None.
    #[expect(clippy::unused_async, reason = "as where there is storage")]
    pub async fn finish(self) -> Result<()> {
        match self {}
    }
}
