//! Artifacts: files of jobs in object storage, each recorded in a row before it is written, so that
//! no file is ever left behind. A worker that lost its lease stores nothing.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::job::document::micros;
use crate::store::{Result, Store};
use crate::vault::{BlobReader, BlobStore, BlobWriter, VaultError};

/// A file of a job.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Artifact {
    /// Its name within the job.
    pub name: String,
    /// Its content type, such as `image/png`.
    pub content_type: String,
    /// Its size.
    pub bytes: i64,
    /// The time when it was stored.
    #[serde(serialize_with = "micros")]
    pub created_at: DateTime<Utc>,
}

/// A file to be stored.
#[derive(Debug)]
pub struct NewArtifact<'a> {
    /// Its job.
    pub job_id: Uuid,
    /// The lease of the attempt that stores it; `None` for a job that is about to be enqueued.
    pub lease_id: Option<Uuid>,
    /// Its name within the job.
    pub name: &'a str,
    /// Its content type.
    pub content_type: &'a str,
    /// Its content.
    pub content: Bytes,
}

/// A file of an attempt on its way to the storage: all bytes are sent, then it is recorded, then it is
/// finished. Nothing is stored of one that is dropped before.
#[derive(Debug)]
pub struct ArtifactUpload {
    path: String,
    job_id: Uuid,
    lease_id: Uuid,
    name: String,
    content_type: String,
    bytes: u64,
    limit: u64,
    writer: BlobWriter,
}

impl ArtifactUpload {
    /// Sends the next bytes.
    ///
    /// # Errors
    /// When the storage fails, and with `FileTooLarge` for more bytes than a file may have.
    pub async fn put(&mut self, bytes: Bytes) -> Result<()> {
        self.bytes = self.bytes.saturating_add(bytes.len() as u64);
        self.fits(self.bytes)?;
        Ok(self.writer.put(bytes).await?)
    }

    /// Checks that a file of this many bytes is allowed.
    ///
    /// # Errors
    /// With `FileTooLarge` otherwise.
    pub fn fits(&self, bytes: u64) -> Result<()> {
        if bytes > self.limit {
            return Err(VaultError::FileTooLarge { limit: self.limit }.into());
        }
        Ok(())
    }

    /// The bytes that were sent.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Makes the file readable, in place of an earlier one of its name and attempt.
    ///
    /// # Errors
    /// When the storage fails.
    pub async fn finish(self) -> Result<()> {
        Ok(self.writer.finish().await?)
    }
}

impl Store {
    /// Stores a file with a job; false if the lease is lost.
    ///
    /// # Errors
    /// When the database or the storage fails, or there is no storage.
    pub async fn keep_artifact(&self, new: NewArtifact<'_>) -> Result<bool> {
        let blob_store = self.blob_store()?;
        let by = new.lease_id.map_or_else(|| "enqueue".to_owned(), |lease| lease.to_string());
        let path = format!("{}/{by}/{}", new.job_id, new.name);
        let bytes = i64::try_from(new.content.len()).unwrap_or(i64::MAX);
        let kept = self.record((&path, new.job_id, new.lease_id), new.name, new.content_type, bytes).await?;
        if kept {
            blob_store.put(&path, new.content).await?;
        }
        Ok(kept)
    }

    /// Begins a file that an attempt stores with its job, piece by piece; `None` if the lease is lost.
    ///
    /// # Errors
    /// When the database fails, or there is no storage.
    pub async fn begin_artifact(
        &self,
        (job_id, lease_id): (Uuid, Uuid),
        name: &str,
        content_type: &str,
    ) -> Result<Option<ArtifactUpload>> {
        let blob_store = self.blob_store()?;
        let is_held = sqlx::query_scalar!(
            r#"
            select exists (
              select
              from jobs_live
              where id = $1
                and lease_id = $2
                and state = 'running'
            ) as "held!"
            "#,
            job_id,
            lease_id,
        )
        .fetch_one(self.pool())
        .await?;
        let path = format!("{job_id}/{lease_id}/{name}");
        Ok(is_held.then(|| ArtifactUpload {
            writer: blob_store.begin(&path),
            limit: blob_store.max_file_bytes(),
            path,
            job_id,
            lease_id,
            name: name.to_owned(),
            content_type: content_type.to_owned(),
            bytes: 0,
        }))
    }

    /// Records a file whose bytes were all sent, before it is finished; false if the lease was lost meanwhile.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn record_artifact(&self, upload: &ArtifactUpload) -> Result<bool> {
        let bytes = i64::try_from(upload.bytes).unwrap_or(i64::MAX);
        self.record(
            (&upload.path, upload.job_id, Some(upload.lease_id)),
            &upload.name,
            &upload.content_type,
            bytes,
        )
        .await
    }

    async fn record(
        &self,
        (path, job_id, lease_id): (&str, Uuid, Option<Uuid>),
        name: &str,
        content_type: &str,
        bytes: i64,
    ) -> Result<bool> {
        Ok(sqlx::query_scalar!(
            r#"select keep_artifact($1, $2, $3, $4, $5, $6) as "kept!""#,
            path,
            job_id,
            lease_id,
            name,
            content_type,
            bytes,
        )
        .fetch_one(self.pool())
        .await?)
    }

    /// The files of a job, the newest of each name, in the order in which they were stored.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn artifacts(&self, job_id: Uuid) -> Result<Vec<Artifact>> {
        Ok(sqlx::query_as!(
            Artifact,
            r#"
            select
              name as "name!",
              content_type as "content_type!",
              bytes as "bytes!",
              created_at as "created_at!"
            from (
              select distinct on (name) name, content_type, bytes, created_at
              from artifacts
              where job_id = $1
              order by name, created_at desc
            ) newest
            order by created_at, name
            limit 10000
            "#,
            job_id
        )
        .fetch_all(self.pool())
        .await?)
    }

    /// A file of a job with its content.
    ///
    /// # Errors
    /// When the database or the storage fails, and [`crate::Error::Vault`] with `Missing` if there is none of that name.
    pub async fn read_artifact(&self, job_id: Uuid, name: &str) -> Result<(Artifact, Bytes)> {
        let (artifact, content) = self.open_artifact(job_id, name).await?;
        Ok((artifact, content.whole().await?))
    }

    /// A file of a job, whose content is read from then on.
    ///
    /// # Errors
    /// As [`Store::read_artifact`].
    pub async fn open_artifact(&self, job_id: Uuid, name: &str) -> Result<(Artifact, BlobReader)> {
        let row = sqlx::query!(
            r#"
            select path, name, content_type, bytes, created_at
            from artifacts
            where job_id = $1
              and name = $2
              and unneeded_at is null
            order by created_at desc
            limit 1
            "#,
            job_id,
            name
        )
        .fetch_optional(self.pool())
        .await?;
        let row = row.ok_or_else(|| VaultError::Missing(name.to_owned()))?;
        let content = self.blob_store()?.open_file(&row.path).await?;
        let artifact = Artifact {
            name: row.name,
            content_type: row.content_type,
            bytes: row.bytes,
            created_at: row.created_at,
        };
        Ok((artifact, content))
    }

    /// Removes a bounded number of files that no job needs any more; returns their number.
    ///
    /// # Errors
    /// When the database or the storage fails; files that were not removed are found again.
    pub async fn clear_artifacts(&self, limit: i32) -> Result<usize> {
        let Some(blob_store) = &self.vault().blob_store else { return Ok(0) };
        let left = sqlx::query_scalar!(r#"select left_artifacts($1) as "path!""#, limit)
            .fetch_all(self.pool())
            .await?;
        for path in &left {
            blob_store.delete(path).await?;
            sqlx::query!("select drop_artifact($1)", path).execute(self.pool()).await?;
        }
        Ok(left.len())
    }

    fn blob_store(&self) -> Result<&BlobStore> {
        Ok(self.vault().blob_store.as_ref().ok_or(VaultError::NoStorage)?)
    }
}
