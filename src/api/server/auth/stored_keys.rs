//! Reads API keys from the database for authentication, and writes which of their sessions ended. Must never decide anything itself.

use super::api_key::StoredKey;
use super::gate::{KeyLookup, Lookup};
use crate::api::server::path_params::JobName;
use crate::api::server::problem::Problem;
use crate::store::Store;
use crate::store::keys::EndedSession;
use crate::store::tokens::OwnedJob;

/// The keys of a database.
#[derive(Debug, Clone)]
pub struct StoredKeys(pub Store);

impl KeyLookup for StoredKeys {
    fn lookup<'a>(&'a self, key_id: &'a str) -> Lookup<'a, Option<StoredKey>> {
        Box::pin(async move {
            let Some(row) = self.0.api_key(key_id).await?.filter(|row| row.usable) else { return Ok(None) };
            // The time of the last use is for people to read; the request continues without it.
            if let Err(error) = self.0.touch_api_key(key_id).await {
                tracing::debug!(%error, "the last use of a key could not be recorded");
            }
            let scopes: Result<Vec<_>, _> = row.scopes.iter().map(|scope| scope.parse()).collect();
            Ok(Some(StoredKey {
                hash: row.secret_hash,
                scopes: scopes.map_err(|error| Problem::internal(&error))?,
                name: row.name,
                expires_at: row.expires_at,
                token_key: row.token_key,
                ended_sessions: row.ended_sessions.into_iter().collect(),
                sessions_ended_until: row.sessions_ended_until,
            }))
        })
    }

    fn end_session<'a>(&'a self, ended: &'a EndedSession<'a>) -> Lookup<'a, ()> {
        Box::pin(async move { Ok(self.0.end_session(ended).await?) })
    }

    fn job<'a>(&'a self, name: &'a JobName) -> Lookup<'a, Option<OwnedJob>> {
        Box::pin(async move {
            let id = match name {
                JobName::Id(id) => Some(*id),
                JobName::Execution(execution_id) => self.0.job_id_of(execution_id).await?,
            };
            let Some(id) = id else { return Ok(None) };
            Ok(self.0.owned_job(id).await?)
        })
    }

    fn any(&self) -> Lookup<'_, bool> {
        Box::pin(async move { Ok(self.0.any_api_key().await?) })
    }
}
