//! Tokens: made by the database, which has their secret; and the owner and kind of a job, by which a token is
//! checked. Must never read a job's content.

use uuid::Uuid;

use super::{Result, Store};

/// A token to make.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NewToken {
    /// What it may do: read, enqueue, cancel, retry, signal.
    pub scopes: Vec<String>,
    /// Only this job.
    pub job: Option<Uuid>,
    /// Only jobs of this owner.
    pub owner: Option<String>,
    /// Only jobs of these kinds.
    pub kinds: Option<Vec<String>>,
    /// How long it is valid.
    pub expires_in_seconds: f64,
}

/// The facts of a job that decide whether a token reaches it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnedJob {
    pub id: Uuid,
    pub kind: String,
    pub owner: Option<String>,
}

impl Store {
    /// A token in the name of this API key.
    ///
    /// # Errors
    /// When the key does not allow it, or the database fails.
    pub async fn create_token(&self, key_id: &str, token: &NewToken) -> Result<String> {
        Ok(sqlx::query_scalar!(
            r#"select create_token($1, $2, $3, $4, $5, make_interval(secs => $6)) as "token!""#,
            key_id,
            &token.scopes,
            token.job,
            token.owner,
            token.kinds.as_deref(),
            token.expires_in_seconds
        )
        .fetch_one(self.pool())
        .await?)
    }

    /// The owner and the kind of a job; `None` if there is no such job.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn owned_job(&self, id: Uuid) -> Result<Option<OwnedJob>> {
        Ok(sqlx::query_as!(
            OwnedJob,
            r#"select id as "id!", kind as "kind!", owner from jobs where id = $1"#,
            id
        )
        .fetch_optional(self.pool())
        .await?)
    }
}
