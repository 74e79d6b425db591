//! Documents of extensions: JSON that an extension keeps under names of its own. A write names the version
//! that it replaces, so that two writers never undo one another. Must never interpret a document.

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::db::connection::Transaction;
use super::db::lossy_json::Readable;
use super::{Result, Store};

/// A document as it is stored.
///
/// # Examples
///
/// ```
/// use tidemill::extension::documents::StoredDocument;
///
/// fn is_sent(card: &StoredDocument) -> bool {
///     card.document["sent"] == true
/// }
/// ```
#[derive(Debug, Clone)]
pub struct StoredDocument {
    /// Its name within the extension.
    pub name: String,
    /// The document.
    pub document: Value,
    /// The version to name when it is replaced or deleted.
    pub version: i64,
    /// When it was last written.
    pub updated_at: DateTime<Utc>,
}

/// An action of a person on a document, for the audit log. Must hold no secret.
#[derive(Debug, Clone, Default)]
pub struct DocumentAct {
    /// The action, such as `change card`.
    pub action: String,
    /// The subject, such as `card:7`.
    pub subject: String,
    /// The state before.
    pub before: Option<Value>,
    /// The state after.
    pub after: Option<Value>,
}

/// The documents of one extension.
///
/// # Examples
///
/// ```
/// use serde_json::json;
/// use tidemill::Store;
/// use tidemill::extension::jobs::Result;
///
/// async fn mark_sent(store: &Store, name: &str) -> Result<bool> {
///     let cards = store.documents("postcards");
///     let Some(card) = cards.get(name).await? else { return Ok(false) };
///     // False if another writer changed it meanwhile.
///     Ok(cards.put(name, &json!({ "sent": true }), card.version, None).await?.is_some())
/// }
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Documents<'a> {
    store: &'a Store,
    extension: &'a str,
}

impl Store {
    /// The documents of the extension of that name.
    #[must_use]
    pub fn documents<'a>(&'a self, extension: &'a str) -> Documents<'a> {
        Documents { store: self, extension }
    }
}

impl Documents<'_> {
    /// All of them, by name.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn list(&self) -> Result<Vec<StoredDocument>> {
        self.select(None).await
    }

    /// The document of that name.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn get(&self, name: &str) -> Result<Option<StoredDocument>> {
        Ok(self.select(Some(name)).await?.pop())
    }

    async fn select(&self, name: Option<&str>) -> Result<Vec<StoredDocument>> {
        Ok(sqlx::query_as!(
            StoredDocument,
            r#"
            select
              name,
              document as "document!: Readable",
              version,
              updated_at
            from extension_documents
            where extension = $1
              and ($2::text is null or name = $2)
            order by name
            "#,
            self.extension,
            name,
        )
        .fetch_all(self.store.pool())
        .await?)
    }

    /// Writes a document in place of the version that is named, 0 for one that is not there yet; its new version, or
    /// `None` if it now has another version.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn put(
        &self,
        name: &str,
        document: &Value,
        version: i64,
        act: Option<&DocumentAct>,
    ) -> Result<Option<i64>> {
        let mut transaction = self.store.acting().await?;
        let written = sqlx::query_scalar!(
            r#"
            with made as (
              insert into extension_documents (extension, name, document)
              select $1, $2, $3
              where $4::bigint = 0
              on conflict (extension, name) do nothing
              returning version
            ), changed as (
              update extension_documents
              set document = $3, version = version + 1, updated_at = now()
              where extension = $1
                and name = $2
                and version = $4
              returning version
            )
            select version as "version!"
            from made
            union all
            select version
            from changed
            "#,
            self.extension,
            name,
            document,
            version,
        )
        .fetch_optional(transaction.connection())
        .await?;
        if written.is_some() {
            record(&mut transaction, act).await?;
        }
        transaction.commit().await?;
        Ok(written)
    }

    /// Deletes the given version of a document; false if it now has another version or does not exist.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn delete(&self, name: &str, version: i64, act: Option<&DocumentAct>) -> Result<bool> {
        let mut transaction = self.store.acting().await?;
        let deleted = sqlx::query_scalar!(
            r#"
            delete from extension_documents
            where extension = $1
              and name = $2
              and version = $3
            returning version
            "#,
            self.extension,
            name,
            version,
        )
        .fetch_optional(transaction.connection())
        .await?;
        if deleted.is_some() {
            record(&mut transaction, act).await?;
        }
        transaction.commit().await?;
        Ok(deleted.is_some())
    }
}

async fn record(transaction: &mut Transaction<'static>, act: Option<&DocumentAct>) -> Result<()> {
    let Some(act) = act else { return Ok(()) };
    sqlx::query!(
        r#"select audit($1, $2, $3, $4) is null as recorded"#,
        act.action,
        act.subject,
        act.before,
        act.after,
    )
    .fetch_one(transaction.connection())
    .await?;
    Ok(())
}
