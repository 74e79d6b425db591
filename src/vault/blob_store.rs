//! Object storage behind an address: S3, Google Cloud Storage, Azure, or a folder. Knows only paths
//! and bytes; must never be given a path that a caller chose.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt as _, TryStreamExt as _};
use object_store::buffered::BufWriter;
use object_store::path::Path;
use object_store::{GetResult, ObjectStore, ObjectStoreExt, PutPayload, parse_url_opts};
use url::Url;

pub use super::blob_writer::BlobWriter;
use super::error::{Result, VaultError};
use super::limits::LARGEST_FILE_BYTES;

/// The size of the parts in which a file of unknown size is sent: the least that S3 takes.
const PART_BYTES: usize = 5 * 1024 * 1024;

/// The storage of files of jobs.
#[derive(Clone)]
pub struct BlobStore {
    objects: Arc<dyn ObjectStore>,
    prefix: Path,
    address: String,
    inline_bytes: usize,
    max_file_bytes: u64,
}

impl fmt::Debug for BlobStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlobStore").field("address", &self.address).finish_non_exhaustive()
    }
}

impl BlobStore {
    /// Opens the storage at `s3://bucket/prefix`, `gs://…`, `az://…` or `file:///folder`, which is created
    /// if it does not exist. `options` are those of the `object_store` crate, such as `aws_access_key_id`
    /// or `endpoint`. Values above `inline_bytes` are stored there.
    ///
    /// # Errors
    /// For an address or an option that cannot be used.
    pub fn open(
        url: &str,
        options: impl IntoIterator<Item = (String, String)>,
        inline_bytes: usize,
    ) -> Result<Self> {
        let bad = |error: &dyn fmt::Display| VaultError::BadStorage(error.to_string());
        let url = Url::parse(url).map_err(|error| bad(&error))?;
        if url.scheme() == "file" {
            let folder = url.to_file_path().map_err(|()| bad(&"it does not name a folder"))?;
            std::fs::create_dir_all(&folder)
                .map_err(|error| bad(&format!("{}: {error}", folder.display())))?;
        }
        // The HTTP client of a cloud's storage has no provider of its own.
        #[cfg(feature = "storage")]
        let _ = rustls::crypto::ring::default_provider().install_default();
        let options: Vec<_> = options.into_iter().collect();
        // The library's message may repeat an option, and some are secrets.
        let hidden = |error: object_store::Error| {
            let values = options.iter().map(|(_, value)| value.as_str()).filter(|value| value.len() > 3);
            let text = error.to_string();
            values.chain([url.as_str()]).fold(text, |text, value| text.replace(value, "(hidden)"))
        };
        let (objects, prefix) = parse_url_opts(&url, options.clone()).map_err(|error| bad(&hidden(error)))?;
        let (objects, address) = (objects.into(), url.to_string());
        Ok(Self { objects, prefix, address, inline_bytes, max_file_bytes: LARGEST_FILE_BYTES })
    }

    /// The same storage, for files of at most this number of bytes.
    #[must_use]
    pub fn with_max_file_bytes(self, max_file_bytes: u64) -> Self {
        Self { max_file_bytes, ..self }
    }

    /// The largest file of a job.
    #[must_use]
    pub fn max_file_bytes(&self) -> u64 {
        self.max_file_bytes
    }

    /// Values with more bytes of JSON go to the storage.
    #[must_use]
    pub fn inline_bytes(&self) -> usize {
        self.inline_bytes
    }

    /// Writes a file.
    ///
    /// # Errors
    /// When the storage fails.
    pub async fn put(&self, path: &str, bytes: Bytes) -> Result<()> {
        self.objects.put(&self.at(path), PutPayload::from_bytes(bytes)).await.map_err(VaultError::from)?;
        Ok(())
    }

    /// Begins a file that arrives piece by piece, of which only a few parts are in memory. Nothing can be
    /// read at the path before it is finished.
    #[must_use]
    pub fn begin(&self, path: &str) -> BlobWriter {
        BlobWriter::new(BufWriter::with_capacity(Arc::clone(&self.objects), self.at(path), PART_BYTES))
    }

    /// Reads a file.
    ///
    /// # Errors
    /// When there is none, and when the storage fails.
    pub async fn get(&self, path: &str) -> Result<Bytes> {
        self.open_file(path).await?.whole().await
    }

    /// Finds a file, whose bytes are read from then on.
    ///
    /// # Errors
    /// When there is none, and when the storage fails.
    pub async fn open_file(&self, path: &str) -> Result<BlobReader> {
        self.objects.get(&self.at(path)).await.map(BlobReader).map_err(VaultError::from)
    }

    /// Removes a file; a missing file is not an error.
    ///
    /// # Errors
    /// When the storage fails.
    pub async fn delete(&self, path: &str) -> Result<()> {
        match self.objects.delete(&self.at(path)).await.map_err(VaultError::from) {
            Err(VaultError::Missing(_)) => Ok(()),
            other => other,
        }
    }

    fn at(&self, path: &str) -> Path {
        self.prefix.parts().chain(Path::from(path).parts()).collect()
    }
}

/// A file in the storage that is about to be read.
#[derive(Debug)]
pub struct BlobReader(GetResult);

impl BlobReader {
    /// Its size in bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.0.meta.size
    }

    /// All of it.
    ///
    /// # Errors
    /// When the storage fails.
    pub async fn whole(self) -> Result<Bytes> {
        self.0.bytes().await.map_err(VaultError::from)
    }

    /// Piece by piece.
    #[must_use]
    pub fn pieces(self) -> BoxStream<'static, Result<Bytes>> {
        self.0.into_stream().map_err(VaultError::from).boxed()
    }
}
