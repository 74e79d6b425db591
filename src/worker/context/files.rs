//! Files that a handler stores with its job, in object storage. The database checks the lease, as
//! at all writes of an attempt.

use bytes::{Bytes, BytesMut};
use tokio::fs::File;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};
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
        refuse_name(name)?;
        let storage = self.stored().and_then(|store| store.vault().blob_store.as_ref());
        let limit = storage.map_or(LARGEST_FILE_BYTES, BlobStore::max_file_bytes);
        if content.len() as u64 > limit {
            return Err(unkept(name, VaultError::FileTooLarge { limit }.into()));
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
                Err(error) => return Err(unkept(name, error)),
            }
        }
        Ok(address_of(&format!("/api/v1/jobs/{job_id}/artifacts/{name}")))
    }

    /// Stores a file of this machine with the job, as [`Context::keep`] does, without holding it in memory. It
    /// is read from its beginning to its end.
    ///
    /// # Errors
    /// Those of [`Context::keep`]; a file that cannot be read is a permanent failure.
    pub async fn keep_file(
        &self,
        name: &str,
        content_type: &str,
        mut file: File,
    ) -> Result<String, JobError> {
        let lease = self.lease();
        let href = address_of(&format!("/api/v1/jobs/{}/artifacts/{name}", lease.0));
        refuse_name(name)?;
        let Some(store) = self.stored() else { return Ok(href) };
        let begun = self.answered("keep", || store.begin_artifact(lease, name, content_type)).await;
        let mut upload = begun.map_err(|error| unkept(name, error))?.ok_or_else(JobError::lost)?;
        file.rewind().await.map_err(|error| unread(name, &error))?;
        let bytes = file.metadata().await.map_err(|error| unread(name, &error))?.len();
        upload.fits(bytes).map_err(|error| unkept(name, error))?;
        loop {
            let mut piece = BytesMut::with_capacity(PIECE_BYTES);
            if file.read_buf(&mut piece).await.map_err(|error| unread(name, &error))? == 0 {
                break;
            }
            upload.put(piece.freeze()).await.map_err(|error| unkept(name, error))?;
        }
        if !self.answered("keep", || store.record_artifact(&upload)).await? {
            return Err(JobError::lost());
        }
        upload.finish().await?;
        Ok(href)
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

fn refuse_name(name: &str) -> Result<(), JobError> {
    match file_name::refusal(name) {
        Some(why) => Err(JobError::permanent(why).class("bad_file")),
        None => Ok(()),
    }
}

/// What another attempt cannot mend is a permanent failure.
fn unkept(name: &str, error: Error) -> JobError {
    match error {
        Error::Vault(VaultError::NoStorage) => {
            let message = format!("{name} cannot be kept: there is no object storage; set storage.url");
            JobError::permanent(message).class("no_storage")
        }
        Error::Vault(error @ VaultError::FileTooLarge { .. }) => {
            JobError::permanent(format!("{name} cannot be kept: {error}")).class("bad_file")
        }
        other => other.into(),
    }
}

fn unread(name: &str, error: &std::io::Error) -> JobError {
    JobError::permanent(format!("{name} cannot be read: {error}")).class("bad_file")
}
