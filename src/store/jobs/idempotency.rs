//! Idempotency: the stored first answers to requests that may be repeated. The key, the work and
//! the answer commit together, so a key without its work cannot exist.

use std::sync::Arc;

use serde_json::Value;

use crate::store::db::connection::{Connection, Transaction};
use crate::store::{Result, Store};
use crate::vault::{Field, Vault};

/// The state of a key.
#[derive(Debug, Clone, PartialEq)]
pub enum Known {
    /// New: the caller does the work, in this transaction.
    New,
    /// The same request was made earlier; this was its answer.
    Answered(Value),
    /// Another request used the key.
    OtherRequest,
}

/// Takes a key for this transaction, or finds its stored answer. Waits for another transaction that holds
/// the key.
///
/// # Errors
/// When the database fails.
pub async fn take_key(mut connection: Connection<'_>, key: &str, request_hash: &[u8]) -> Result<Known> {
    let taken = sqlx::query_scalar!(
        r#"
        insert into idempotency_keys as k (key, request_hash)
        values ($1, $2)
        on conflict (key) do update
        set request_hash = excluded.request_hash, answer = null, created_at = now(), expires_at = now() + interval '24 hours'
        where k.expires_at < now()
        returning true
        "#,
        key,
        request_hash
    )
    .fetch_optional(connection.reborrow())
    .await?;
    if taken.is_some() {
        return Ok(Known::New);
    }
    // A second statement, because only its new snapshot sees the other transaction's commit.
    let known = sqlx::query!("select request_hash, answer from idempotency_keys where key = $1", key)
        .fetch_one(connection)
        .await?;
    Ok(match known.answer {
        Some(answer) if known.request_hash == request_hash => Known::Answered(answer),
        _ => Known::OtherRequest,
    })
}

/// Stores the answer under a key that was taken in this transaction.
///
/// # Errors
/// When the database fails.
pub async fn store_answer(connection: Connection<'_>, key: &str, answer: &Value) -> Result<()> {
    sqlx::query!("update idempotency_keys set answer = $2 where key = $1", key, answer)
        .execute(connection)
        .await?;
    Ok(())
}

/// The state of a request that may be repeated.
#[derive(Debug)]
pub enum KeyClaim {
    /// New: the work is done in this transaction.
    Ours(Work),
    /// The same request was made earlier; this was its answer.
    Answered(Value),
    /// Another request used the key.
    OtherRequest,
}

/// Work under a key. Statements on its connection commit together with the answer; if dropped, everything
/// is rolled back and the key is free.
#[derive(Debug)]
pub struct Work {
    transaction: Transaction<'static>,
    key: String,
    vault: Arc<Vault>,
}

impl Work {
    /// The connection of the work.
    pub fn connection(&mut self) -> Connection<'_> {
        self.transaction.connection()
    }

    /// Stores the answer and commits.
    ///
    /// # Errors
    /// When the database fails; then the work is rolled back.
    pub async fn answer(mut self, answer: &Value) -> Result<()> {
        // The answer shows args, so it is encrypted like them.
        let answer = self.vault.keyring.seal(Field::Answer, rand::random(), answer)?;
        store_answer(self.transaction.connection(), &self.key, &answer).await?;
        Ok(self.transaction.commit().await?)
    }
}

impl Store {
    /// Takes a key in a transaction of its own. Waits for another transaction that holds the key.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn claim_key(&self, key: &str, request_hash: &[u8]) -> Result<KeyClaim> {
        let mut transaction = self.pool().begin().await?;
        Ok(match take_key(transaction.connection(), key, request_hash).await? {
            Known::New => {
                KeyClaim::Ours(Work { transaction, key: key.to_owned(), vault: self.vault().clone() })
            }
            Known::Answered(answer) => KeyClaim::Answered(self.vault().open(answer)?),
            Known::OtherRequest => KeyClaim::OtherRequest,
        })
    }
}
