//! Turns the `{id}` of a route into a job id, also if it is the caller's own name for the work.
//! Must never claim that a job exists: only a read of the job shows that.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use uuid::Uuid;

use crate::api::server::path_params::JobName;
use crate::api::server::problem::Problem;
use crate::api::state::ApiState;
use crate::store::{self, Store};
use crate::vault::VaultError;

/// The id of the job that a path names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JobId(pub Uuid);

impl FromRequestParts<ApiState> for JobId {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, Problem> {
        let name = JobName::from_request_parts(parts, state).await?;
        resolve(&state.store, name).await.map(Self)
    }
}

/// The id that a name stands for.
///
/// # Errors
/// 404 for an execution id that no job has.
pub async fn resolve(store: &Store, name: JobName) -> Result<Uuid, Problem> {
    let found = match &name {
        JobName::Id(id) => return Ok(*id),
        JobName::Execution(execution_id) => store.job_id_of(execution_id).await,
    };
    found.map_err(|error| failed(&error))?.ok_or_else(|| name.unknown())
}

/// The problem of an id that no job has.
#[must_use]
pub fn unknown(job_id: Uuid) -> Problem {
    JobName::Id(job_id).unknown()
}

/// The problem of a store that failed.
#[must_use]
pub fn failed(error: &store::Error) -> Problem {
    if let Some(trouble) = error.trouble() {
        return Problem::troubled(trouble, error);
    }
    match error {
        store::Error::Vault(VaultError::Storage(_)) => {
            return Problem::unavailable("The object storage of the server failed.", error);
        }
        store::Error::Vault(lacks) if lacks.is_transient() => {
            let detail = "This server lacks the encryption key or the object storage of the stored value.";
            return Problem::unavailable(detail, error);
        }
        _ => {}
    }
    if error.is_transient() {
        return Problem::unavailable("The database cannot be reached at the moment.", error);
    }
    Problem::internal(error)
}
