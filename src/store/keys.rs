//! Keys: the rows of API keys. Only hashes reach this module; a secret must never.

use chrono::{DateTime, Utc};

use super::{Result, Store};

/// A stored API key.
#[derive(Debug, Clone)]
pub struct ApiKeyRow {
    pub id: String,
    pub name: String,
    pub scopes: Vec<String>,
    pub secret_hash: Vec<u8>,
    pub created_at: DateTime<Utc>,
    pub expires_at: Option<DateTime<Utc>>,
    pub revoked_at: Option<DateTime<Utc>>,
    pub last_used_at: Option<DateTime<Utc>>,
    /// False if it is revoked or expired, by the database's clock.
    pub usable: bool,
    /// The secret that signs its tokens.
    pub token_key: Option<Vec<u8>>,
    /// Those of its sessions that were ended before their time.
    pub ended_sessions: Vec<String>,
    /// Its sessions that would last until then at most are ended.
    pub sessions_ended_until: Option<DateTime<Utc>>,
}

/// A session that is ended before its time.
#[derive(Debug)]
pub struct EndedSession<'a> {
    pub key_id: &'a str,
    pub session: &'a str,
    /// When it would have ended.
    pub ends_at: DateTime<Utc>,
    /// When the longest session that exists now would end.
    pub longest_until: DateTime<Utc>,
}

/// How many ended sessions of a key are kept; beyond them all of its sessions end.
const ENDED_SESSIONS_OF_A_KEY: i64 = 1000;

impl Store {
    /// All keys, newest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn api_keys(&self) -> Result<Vec<ApiKeyRow>> {
        Ok(sqlx::query_as!(
            ApiKeyRow,
            r#"
            select
              id,
              name,
              scopes,
              secret_hash,
              created_at,
              expires_at,
              revoked_at,
              last_used_at,
              revoked_at is null and (expires_at is null or expires_at > now()) as "usable!",
              null::bytea as token_key,
              '{}'::text[] as "ended_sessions!",
              sessions_ended_until
            from api_keys
            order by created_at desc
            "#
        )
        .fetch_all(self.pool())
        .await?)
    }

    /// The key of that id, revoked or not.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn api_key(&self, id: &str) -> Result<Option<ApiKeyRow>> {
        Ok(sqlx::query_as!(
            ApiKeyRow,
            r#"
            select
              id,
              name,
              scopes,
              secret_hash,
              created_at,
              expires_at,
              revoked_at,
              last_used_at,
              revoked_at is null and (expires_at is null or expires_at > now()) as "usable!",
              token_key(secret_hash) as token_key,
              array(select e.session from ended_sessions e where e.key_id = k.id and e.ends_at > now()) as "ended_sessions!",
              sessions_ended_until
            from api_keys k
            where id = $1
            "#,
            id
        )
        .fetch_optional(self.pool())
        .await?)
    }

    /// True once a key was created, even if it is now revoked or expired.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn any_api_key(&self) -> Result<bool> {
        Ok(sqlx::query_scalar!(r#"select exists (select from api_keys) as "any!""#)
            .fetch_one(self.pool())
            .await?)
    }

    /// Stores a new key's hash.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn create_api_key(
        &self,
        id: &str,
        name: &str,
        scopes: &[String],
        secret_hash: &[u8],
        expires_in_seconds: Option<f64>,
    ) -> Result<()> {
        let mut acting = self.acting().await?;
        sqlx::query!(
            r#"
            insert into api_keys (id, name, scopes, secret_hash, expires_at)
            values ($1, $2, $3, $4, now() + make_interval(secs => $5))
            "#,
            id,
            name,
            scopes,
            secret_hash,
            expires_in_seconds
        )
        .execute(acting.connection())
        .await?;
        sqlx::query!("select notify_settings()").execute(acting.connection()).await?;
        acting.commit().await?;
        Ok(())
    }

    /// Revokes a key; returns false if there is no such key.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn revoke_api_key(&self, id: &str) -> Result<bool> {
        let mut acting = self.acting().await?;
        let done =
            sqlx::query!("update api_keys set revoked_at = coalesce(revoked_at, now()) where id = $1", id)
                .execute(acting.connection())
                .await?;
        sqlx::query!("select notify_settings()").execute(acting.connection()).await?;
        acting.commit().await?;
        Ok(done.rows_affected() > 0)
    }

    /// Ends a session before its time, and forgets those that would be over by now.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn end_session(&self, ended: &EndedSession<'_>) -> Result<()> {
        let mut acting = self.acting().await?;
        sqlx::query!("delete from ended_sessions where ends_at <= now()")
            .execute(acting.connection())
            .await?;
        sqlx::query!(
            r#"
            insert into ended_sessions (key_id, session, ends_at)
            values ($1, $2, $3)
            on conflict do nothing
            "#,
            ended.key_id,
            ended.session,
            ended.ends_at
        )
        .execute(acting.connection())
        .await?;
        // Whoever signs in and out without end fills no table.
        let all = sqlx::query!(
            r#"
            update api_keys
            set sessions_ended_until = $2
            where id = $1
              and (select count(*) from ended_sessions where key_id = $1) > $3
            "#,
            ended.key_id,
            ended.longest_until,
            ENDED_SESSIONS_OF_A_KEY
        )
        .execute(acting.connection())
        .await?;
        if all.rows_affected() > 0 {
            sqlx::query!(
                "delete from ended_sessions where key_id = $1 and ends_at <= $2",
                ended.key_id,
                ended.longest_until
            )
            .execute(acting.connection())
            .await?;
        }
        acting.commit().await?;
        Ok(())
    }

    /// Records the use of a key; writes at most once a minute.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn touch_api_key(&self, id: &str) -> Result<()> {
        sqlx::query!(
            r#"
            update api_keys
            set last_used_at = now()
            where id = $1
              and (last_used_at is null or last_used_at < now() - interval '1 minute')
            "#,
            id
        )
        .execute(self.pool())
        .await?;
        Ok(())
    }
}
