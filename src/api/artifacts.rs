//! The files of jobs: what their handlers kept, and args and results that are too large for a row. What a page of ours
//! could be made to run must never be shown as one.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderValue;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS,
};
use axum::response::{IntoResponse, Response};
use serde_json::Value;

use super::answer::Page;
use super::job_id::{JobId, resolve};
use super::jobs::find;
use super::path::ArtifactName;
use super::problem::{Case, Problem, ProblemDocument};
use super::state::ApiState;
use crate::job::number::with_lost_as_text;
use crate::store::Error;
use crate::store::artifacts::Artifact;
use crate::vault::VaultError;

const JSON: &str = "application/json";
/// What a browser only shows.
const HARMLESS: [&str; 6] = ["image/png", "image/jpeg", "image/webp", "image/gif", "text/plain", JSON];

/// List a job's files
#[utoipa::path(
    get, path = "/api/v1/jobs/{id}/artifacts", tag = "jobs",
    params(("id" = String, Path, description = "A job's id, or `execution:<execution_id>`")),
    responses(
        (status = 200, description = "The files, in the order in which they were kept", body = Page<Artifact>),
        (status = 404, description = "There is no such job", body = ProblemDocument, content_type = "application/problem+json"),
    )
)]
pub(super) async fn list(
    State(state): State<ApiState>,
    JobId(job_id): JobId,
) -> Result<Json<Page<Artifact>>, Problem> {
    let artifacts = state.store.artifacts(job_id).await?;
    if artifacts.is_empty() {
        find(&state, job_id).await?;
    }
    Ok(Page::whole(artifacts))
}

/// Read a job's file
///
/// `args.json` and `result.json` are args and results that are too large for the job's own document, which then has
/// `{"$stored": {"href": …}}` in their place.
#[utoipa::path(
    get, path = "/api/v1/jobs/{id}/artifacts/{name}", tag = "jobs",
    params(
        ("id" = String, Path, description = "A job's id, or `execution:<execution_id>`"),
        ("name" = String, Path, description = "The file's name"),
    ),
    responses(
        (status = 200, description = "The file", content_type = "application/octet-stream"),
        (status = 404, description = "There is no such file", body = ProblemDocument, content_type = "application/problem+json"),
    )
)]
pub(super) async fn read(
    State(state): State<ApiState>,
    ArtifactName { job, name }: ArtifactName,
) -> Result<Response, Problem> {
    let job_id = resolve(&state.store, job).await?;
    let (artifact, mut content) = match state.store.read_artifact(job_id, &name).await {
        Err(Error::Vault(VaultError::Missing(_))) => {
            let detail = format!("The job {job_id} has no file {name:?}.");
            return Err(Problem::new(Case::NotFound, detail).field("name"));
        }
        other => other?,
    };
    if artifact.content_type == JSON
        && let Ok(text) = std::str::from_utf8(&content)
        && let Ok(mut value) = serde_json::from_str::<Value>(&with_lost_as_text(text))
    {
        state.store.vault().show(&mut value);
        content = value.to_string().into();
    }
    let is_harmless = HARMLESS.contains(&artifact.content_type.as_str());
    let shown = if is_harmless { artifact.content_type.as_str() } else { "application/octet-stream" };
    let disposition =
        if is_harmless { "inline".to_owned() } else { format!("attachment; filename=\"{name}\"") };
    let header = |text: &str| HeaderValue::try_from(text).map_err(|error| Problem::internal(&error));
    let headers = [
        (CONTENT_TYPE, header(shown)?),
        (CONTENT_DISPOSITION, header(&disposition)?),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; sandbox")),
        (CACHE_CONTROL, HeaderValue::from_static("private, no-cache")),
    ];
    Ok((headers, content).into_response())
}
