//! Audit: the actions of people, newest first. Only reads; the actions themselves write the record.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::db::lossy_json::Readable;
use super::{Result, Store};
use crate::job::document::micros;

/// One action of a person.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Act {
    /// An increasing number.
    pub id: i64,
    /// The time.
    #[serde(serialize_with = "micros")]
    pub at: DateTime<Utc>,
    /// The author: the name of an API key, or the database user.
    pub who: String,
    /// The database user of the session.
    pub db_user: String,
    /// The action.
    pub action: String,
    /// The subject, such as `job:ID` or `queue:NAME`.
    pub subject: String,
    /// The state before.
    pub before: Option<Value>,
    /// The state after.
    pub after: Option<Value>,
}

impl Store {
    /// Actions with numbers below `before`, newest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn audit(
        &self,
        subject: Option<&str>,
        who: Option<&str>,
        before: Option<i64>,
        limit: i64,
    ) -> Result<Vec<Act>> {
        let mut records = sqlx::query_as!(
            Act,
            r#"
            select
              id,
              at,
              who,
              db_user,
              action,
              subject,
              coalesce(before, 'null') as "before!: Readable",
              coalesce(after, 'null') as "after!: Readable"
            from audit_log
            where ($1::text is null or subject = $1)
              and ($2::text is null or who = $2)
              and ($3::bigint is null or id < $3)
            order by id desc
            limit $4
            "#,
            subject,
            who,
            before,
            limit,
        )
        .fetch_all(self.pool())
        .await?;
        for record in &mut records {
            self.redact(record.before.as_mut());
            self.redact(record.after.as_mut());
        }
        Ok(records)
    }
}
