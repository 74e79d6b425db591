//! The args and results of jobs on their way into their rows and out again: encrypted, or in object
//! storage if they are too large for a row. Values shown to people also pass through here, and are
//! redacted.

use bytes::Bytes;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::job::document::{JobDocument, address_of};
use crate::store::attempts::artifacts::NewArtifact;
use crate::store::{Result, Store};
use crate::vault::{self, Field, STORED, VaultError, names};

const JSON: &str = "application/json";
const ARGS: &str = "args.json";
const RESULT: &str = "result.json";

impl Store {
    /// The args in stored form, if they are encrypted.
    pub(crate) fn seal_args(&self, args: &Map<String, Value>) -> Result<Option<Value>> {
        vault::refuse_reserved_in(args)?;
        let keyring = &self.vault().keyring;
        if keyring.is_empty() {
            return Ok(None);
        }
        Ok(Some(keyring.seal(Field::Args, rand::random(), &Value::Object(args.clone()))?))
    }

    /// Moves args that are too large for a row into object storage, if there is one; returns the reference.
    pub(crate) async fn keep_large_args(&self, job_id: Uuid, args: String) -> Result<Option<Value>> {
        let Some(blob_store) = &self.vault().blob_store else { return Ok(None) };
        if args.len() <= blob_store.inline_bytes() {
            return Ok(None);
        }
        self.keep_outside(job_id, None, ARGS, args).await.map(Some)
    }

    /// The result in stored form: equal for the same result and lease, so that a repeated result is
    /// recognised. Storing it then checks the lease.
    ///
    /// # Errors
    /// When the storage fails, and for a result that could be taken for a stored one.
    pub async fn keep_result(&self, (job_id, lease_id): (Uuid, Uuid), result: Value) -> Result<Value> {
        vault::refuse_reserved(&result)?;
        let vault = self.vault();
        if vault.is_idle() {
            return Ok(result);
        }
        let [_, _, _, _, nonce @ ..] = lease_id.into_bytes();
        let sealed = vault.keyring.seal(Field::Result, nonce, &result)?;
        match &vault.blob_store {
            Some(blob_store) => {
                let text = sealed.to_string();
                if text.len() <= blob_store.inline_bytes() {
                    return Ok(sealed);
                }
                self.keep_outside(job_id, Some(lease_id), RESULT, text).await
            }
            None => Ok(sealed),
        }
    }

    /// The largest result in bytes of JSON: the limit of a row, or the limit of a process if large results
    /// go to object storage.
    #[must_use]
    pub fn result_limit_bytes(&self) -> usize {
        if self.vault().blob_store.is_some() { 256 * 1024 * 1024 } else { 1024 * 1024 }
    }

    async fn keep_outside(
        &self,
        job_id: Uuid,
        lease_id: Option<Uuid>,
        name: &str,
        text: String,
    ) -> Result<Value> {
        let bytes = text.len();
        let content = Bytes::from(text);
        self.keep_artifact(NewArtifact { job_id, lease_id, name, content_type: JSON, content }).await?;
        Ok(json!({ STORED: {
            "bytes": bytes, "job": job_id, "name": name, "href": address_of(&format!("/api/v1/jobs/{job_id}/artifacts/{name}")),
        }}))
    }

    /// The value for its handler: all encrypted parts decrypted, all parts in object storage read.
    ///
    /// # Errors
    /// Without its key, for what was changed, and when the database or the storage fails.
    pub async fn open_value(&self, value: Value) -> Result<Value> {
        // Before decryption: a decrypted value is never a reference, whatever it contains.
        let mut value = value;
        if names(&value, STORED) {
            self.fetch_within(&mut value).await?;
        }
        Ok(self.vault().open(value)?)
    }

    async fn fetch_within(&self, value: &mut Value) -> Result<()> {
        match value {
            Value::Object(fields) => {
                if let Some(reference) = fields.remove(STORED) {
                    let mut fetched = self.fetch(&reference).await?;
                    let others = std::mem::take(fields);
                    match &mut fetched {
                        Value::Object(opened) => opened.extend(others),
                        _ if others.is_empty() => {}
                        _ => return Err(VaultError::Reserved(STORED).into()),
                    }
                    *value = fetched;
                    // The value next to it may be another reference.
                    return Box::pin(self.fetch_beside(value)).await;
                }
                self.fetch_each(fields).await
            }
            Value::Array(items) => {
                for item in items {
                    Box::pin(self.fetch_within(item)).await?;
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    async fn fetch_beside(&self, value: &mut Value) -> Result<()> {
        match value.as_object_mut() {
            Some(fields) => self.fetch_each(fields).await,
            None => Ok(()),
        }
    }

    async fn fetch_each(&self, fields: &mut Map<String, Value>) -> Result<()> {
        for field in fields.values_mut() {
            Box::pin(self.fetch_within(field)).await?;
        }
        Ok(())
    }

    async fn fetch(&self, reference: &Value) -> Result<Value> {
        let job_id = reference["job"].as_str().and_then(|id| id.parse().ok());
        let (Some(job_id), Some(name)) = (job_id, reference["name"].as_str()) else {
            return Err(VaultError::Missing(reference.to_string()).into());
        };
        let (_, content) = self.read_artifact(job_id, name).await?;
        let stored =
            serde_json::from_slice(&content).map_err(|error| VaultError::Storage(error.to_string()))?;
        Ok(stored)
    }

    /// Decrypts and redacts a job for people.
    pub fn show(&self, job: &mut JobDocument) {
        let vault = self.vault();
        vault.show(&mut job.args);
        if let Some(result) = &mut job.result {
            vault.show(result);
        }
        // Never encrypted, so nothing in them is decrypted: a value that looks encrypted was put there by
        // the caller.
        self.redact(job.error.as_mut());
        self.redact(job.metadata.as_mut());
        self.redact(job.progress.as_mut().and_then(|progress| progress.data.as_mut()));
    }

    /// A job as its caller just described it: redacted, and nothing in it is decrypted.
    #[must_use]
    pub fn shown_new(&self, mut job: JobDocument) -> JobDocument {
        self.redact(Some(&mut job.args));
        self.redact(job.metadata.as_mut());
        job
    }

    /// Redacts a value for people.
    pub fn redact(&self, value: Option<&mut Value>) {
        if let Some(value) = value {
            self.vault().redactor.redact(value);
        }
    }

    /// As [`Store::show`], by value.
    #[must_use]
    pub fn shown(&self, mut job: JobDocument) -> JobDocument {
        self.show(&mut job);
        job
    }
}
