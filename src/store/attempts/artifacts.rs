//! Artifacts: files of jobs in object storage, each recorded in a row before it is written, so that
//! no file is ever left behind. A worker that lost its lease stores nothing.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::job::document::micros;
use crate::store::{Result, Store};
use crate::vault::{BlobStore, VaultError};

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

impl Store {
    /// Stores a file with a job; false if the lease is lost.
    ///
    /// # Errors
    /// When the database or the storage fails, or there is no storage.
    pub async fn keep_artifact(&self, new: NewArtifact<'_>) -> Result<bool> {
        let blob_store = self.blob_store()?;
        let by = new.lease_id.map_or_else(|| "enqueue".to_owned(), |lease| lease.to_string());
        let path = format!("{}/{by}/{}", new.job_id, new.name);
        let kept = sqlx::query_scalar!(
            r#"select keep_artifact($1, $2, $3, $4, $5, $6) as "kept!""#,
            path,
            new.job_id,
            new.lease_id,
            new.name,
            new.content_type,
            i64::try_from(new.content.len()).unwrap_or(i64::MAX),
        )
        .fetch_one(self.pool())
        .await?;
        if kept {
            blob_store.put(&path, new.content).await?;
        }
        Ok(kept)
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
        let content = self.blob_store()?.get(&row.path).await?;
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
