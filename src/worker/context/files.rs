//! Files that a handler stores with its job, in object storage. The database checks the lease, as
//! at all writes of an attempt.

use bytes::{Bytes, BytesMut};
use tokio::fs::File;
use tokio::io::AsyncReadExt as _;
use uuid::Uuid;

use super::Context;
use crate::job::document::address_of;
use crate::job::file_name;
use crate::store::Error;
use crate::store::attempts::artifacts::NewArtifact;
use crate::vault::{BlobStore, LARGEST_FILE_BYTES, VaultError};
use crate::worker::handler::JobError;

/// How much of a file is read at once.
const PIECE_BYTES: usize = 256 * 1024;

impl Context {
    /// Stores a file with the job, such as a screenshot; a later file of the same name replaces it. Returns
    /// the path under which the API serves it.
    ///
    /// # Errors
    /// When the storage or the database fails, or the lease is lost. A bad name, a file above
    /// `storage.max_file_bytes` and a missing `[storage]` are permanent failures.
    pub async fn keep(
        &self,
        name: &str,
        content_type: &str,
        content: impl Into<Bytes>,
    ) -> Result<String, JobError> {
        let content = content.into();
        if let Some(why) = file_name::refusal(name) {
            return Err(JobError::permanent(why).class("bad_file"));
        }
        let limit = self.largest_file();
        if content.len() as u64 > limit {
            let message = format!(
                "{name} has {} bytes; at most {limit} are allowed; raise storage.max_file_bytes",
                content.len()
            );
            return Err(JobError::permanent(message).class("bad_file"));
        }
        let (job_id, lease_id) = self.lease();
        if let Some(store) = self.stored() {
            let keep = || {
                let content = content.clone();
                store.keep_artifact(NewArtifact {
                    job_id,
                    lease_id: Some(lease_id),
                    name,
                    content_type,
                    content,
                })
            };
            match self.answered("keep", keep).await {
                Ok(true) => {}
                Ok(false) => return Err(JobError::lost()),
                Err(Error::Vault(VaultError::NoStorage)) => {
                    let message =
                        format!("{name} cannot be kept: there is no object storage; set storage.url");
                    return Err(JobError::permanent(message).class("no_storage"));
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(address_of(&format!("/api/v1/jobs/{job_id}/artifacts/{name}")))
    }

    /// Stores a file of this machine with the job, as [`Context::keep`] does, without holding it in memory.
    ///
    /// # Errors
    /// Those of [`Context::keep`]; a file that cannot be read is a permanent failure.
    pub(crate) async fn keep_file(
        &self,
        name: &str,
        content_type: &str,
        mut file: File,
    ) -> Result<(), JobError> {
        let Some(store) = self.stored() else { return Ok(()) };
        let refused = |error: Error| match error {
            Error::Vault(VaultError::NoStorage) => {
                JobError::permanent("there is no object storage; set storage.url").class("no_storage")
            }
            Error::Vault(error @ VaultError::FileTooLarge { .. }) => {
                JobError::permanent(error.to_string()).class("bad_file")
            }
            other => other.into(),
        };
        let begun = self.answered("keep", || store.begin_artifact(self.lease(), name, content_type)).await;
        let mut upload = begun.map_err(refused)?.ok_or_else(JobError::lost)?;
        loop {
            let mut piece = BytesMut::with_capacity(PIECE_BYTES);
            let read = file.read_buf(&mut piece).await;
            if read.map_err(|error| JobError::permanent(error.to_string()).class("bad_file"))? == 0 {
                break;
            }
            upload.put(piece.freeze()).await.map_err(refused)?;
        }
        if !self.answered("keep", || store.record_artifact(&upload)).await? {
            return Err(JobError::lost());
        }
        Ok(upload.finish().await?)
    }

    /// The largest file that can be kept, in bytes.
    pub(crate) fn largest_file(&self) -> u64 {
        let storage = self.stored().and_then(|store| store.vault().blob_store.as_ref());
        storage.map_or(LARGEST_FILE_BYTES, BlobStore::max_file_bytes)
    }

    /// A stored file of a job, and its content type; `None` if there is none of that name.
    ///
    /// # Errors
    /// When the storage or the database fails.
    pub async fn kept(&self, job_id: Uuid, name: &str) -> Result<Option<(String, Bytes)>, JobError> {
        let store = self.store()?;
        match self.answered("kept", || store.read_artifact(job_id, name)).await {
            Ok((artifact, content)) => Ok(Some((artifact.content_type, content))),
            Err(Error::Vault(VaultError::Missing(_))) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether [`Context::keep`] has a storage for files.
    #[must_use]
    pub fn can_keep(&self) -> bool {
        self.stored().is_none_or(|store| store.vault().blob_store.is_some())
    }
}
