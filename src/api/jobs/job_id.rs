//! Turns the `{id}` of a route into a job id, also if it is the caller's own name for the work.
//! Must never claim that a job exists: only a read of the job shows that.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use uuid::Uuid;

use crate::api::server::path_params::JobName;
use crate::api::server::problem::{Case, Problem, quoted};
use crate::api::state::ApiState;
use crate::store::{self, Store};

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
    let execution_id = match name {
        JobName::Id(id) => return Ok(id),
        JobName::Execution(execution_id) => execution_id,
    };
    let found = store.job_id_of(&execution_id).await.map_err(|error| failed(&error))?;
    let none =
        || Problem::new(Case::JobNotFound, format!("No job has the execution id {}.", quoted(&execution_id)));
    found.ok_or_else(none)
}

/// The problem of an id that no job has.
#[must_use]
pub fn unknown(job_id: Uuid) -> Problem {
    Problem::new(Case::JobNotFound, format!("No job has the id {job_id}."))
}

/// The problem of a store that failed.
#[must_use]
pub fn failed(error: &store::Error) -> Problem {
    if let Some(trouble) = error.trouble() {
        return Problem::troubled(trouble, error);
    }
    if error.is_transient() {
        return Problem::unavailable("The database cannot be reached at the moment.", error);
    }
    Problem::internal(error)
}
