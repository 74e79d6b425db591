//! Files that a handler stores with its job, in object storage. The database checks the lease, as
//! at all writes of an attempt.

use bytes::Bytes;
use uuid::Uuid;

use super::Context;
use crate::job::document::address_of;
use crate::job::limits::PART_NAME_CHARACTERS;
use crate::store::Error;
use crate::store::attempts::artifacts::NewArtifact;
use crate::vault::VaultError;
use crate::worker::handler::JobError;

/// The names of stored args and results that are too large for a row.
const RESERVED: [&str; 2] = ["args.json", "result.json"];
const LARGEST_BYTES: usize = 256 * 1024 * 1024;

impl Context {
    /// Stores a file with the job, such as a screenshot; a later file of the same name replaces it. Returns
    /// the path under which the API serves it.
    ///
    /// # Errors
    /// When the storage or the database fails, or the lease is lost. A bad name, a file above 256 MiB and a
    /// missing `[storage]` are permanent failures.
    pub async fn keep(
        &self,
        name: &str,
        content_type: &str,
        content: impl Into<Bytes>,
    ) -> Result<String, JobError> {
        let content = content.into();
        let plain = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
        if !(1..=PART_NAME_CHARACTERS).contains(&name.len())
            || !name.chars().all(plain)
            || name.starts_with('.')
        {
            let message = format!(
                "a file cannot be called {name:?}: use 1 to {PART_NAME_CHARACTERS} letters, digits, dots, hyphens and underscores"
            );
            return Err(JobError::permanent(message).class("bad_file"));
        }
        if RESERVED.contains(&name) {
            let message = format!(
                "a file cannot be called {name}: the name is reserved for the job's args and results"
            );
            return Err(JobError::permanent(message).class("bad_file"));
        }
        if content.len() > LARGEST_BYTES {
            let message = format!("{name} has {} bytes; at most {LARGEST_BYTES} are allowed", content.len());
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
