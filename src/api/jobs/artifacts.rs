//! The files of jobs: files that handlers stored, and args and results that are too large for a
//! row. Must never serve a file in a form that a page of ours could be made to execute.

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use utoipa::ToSchema;

use super::job_id::{JobId, resolve};
use super::show::find;
use crate::api::page_response::Page;
use crate::api::server::path_params::ArtifactName;
use crate::api::server::problem::{Case, Problem};
use crate::api::state::ApiState;
use crate::job::file_name::BYTES;
use crate::job::number::with_lost_as_text;
use crate::store::attempts::artifacts::Artifact;
use crate::store::{Error, Store};
use crate::vault::{BlobReader, LARGEST_FILE_BYTES, VaultError};

const JSON: &str = "application/json";
const TEXT: &str = "text/plain";
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
/// Content types that a browser only displays.
const HARMLESS: [&str; 6] = ["image/png", "image/jpeg", "image/webp", "image/gif", TEXT, JSON];

/// The bytes of a file.
#[derive(ToSchema)]
#[schema(value_type = String, format = Binary)]
#[expect(dead_code, reason = "it is only described")]
pub(crate) struct FileContent(Vec<u8>);

/// List a job's files
#[utoipa::path(
    get, path = "/api/v1/jobs/{id}/artifacts", tag = "jobs", operation_id = "list_artifacts",
    responses(
        (status = 200, description = "The files, in the order in which they were stored", body = Page<Artifact>),
    )
)]
pub(crate) async fn list(
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
/// `args.json` and `result.json` are args and results that are too large for the job's document,
/// which then has `{"$stored": {"href": …}}` instead.
#[utoipa::path(
    get, path = "/api/v1/jobs/{id}/artifacts/{name}", tag = "jobs", operation_id = "read_artifact",
    responses(
        (status = 200, description = "The file, with its stored content type where that is harmless, else as plain bytes", content(
            (FileContent = "application/octet-stream"), (Value = "application/json"), (FileContent = "image/gif"),
            (FileContent = "image/jpeg"), (FileContent = "image/png"), (FileContent = "image/webp"),
            (String = "text/plain"))),
        (status = 413, description = "JSON that is too large to be read for secrets"),
    )
)]
pub(crate) async fn read(
    State(state): State<ApiState>,
    ArtifactName { job, name }: ArtifactName,
) -> Result<Response, Problem> {
    let job_id = resolve(&state.store, job).await?;
    let (artifact, content) = match state.store.open_artifact(job_id, &name).await {
        Err(Error::Vault(VaultError::Missing(_))) => {
            let detail = format!("The job {job_id} has no file {name:?}.");
            return Err(Problem::new(Case::NotFound, detail).field("name"));
        }
        other => other?,
    };
    let essence = artifact.content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let (bytes, body) = if essence == JSON {
        let shown = shown_json(&state.store, content).await?;
        (shown.len() as u64, Body::from(shown))
    } else {
        (content.bytes(), Body::from_stream(content.pieces()))
    };
    let is_harmless = HARMLESS.contains(&essence.as_str());
    let shown = match essence.as_str() {
        // Its charset counts.
        TEXT => artifact.content_type.as_str(),
        harmless if is_harmless => harmless,
        _ => BYTES,
    };
    let disposition =
        if is_harmless { "inline".to_owned() } else { format!("attachment; filename=\"{name}\"") };
    let header = |text: &str| HeaderValue::try_from(text).map_err(|error| Problem::internal(&error));
    let headers = [
        (CONTENT_LENGTH, HeaderValue::from(bytes)),
        (CONTENT_TYPE, header(shown)?),
        (CONTENT_DISPOSITION, header(&disposition)?),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; sandbox")),
        (CACHE_CONTROL, HeaderValue::from_static("private, no-cache")),
        (RESOURCE_POLICY, HeaderValue::from_static(readers(&state))),
    ];
    Ok((headers, body).into_response())
}

/// Whose pages may show a file: where other origins may call the server, theirs too. The browser asks for an image
/// without naming its page, so the header cannot name them.
fn readers(state: &ApiState) -> &'static str {
    if state.settings.cors_origins.is_empty() { "same-origin" } else { "cross-origin" }
}

/// JSON as people may see it, for which all of it has to be read.
async fn shown_json(store: &Store, content: BlobReader) -> Result<Bytes, Problem> {
    if content.bytes() > LARGEST_FILE_BYTES {
        let detail = "The file is JSON, and too large for its secrets to be found and hidden.";
        return Err(Problem::new(Case::TooLarge, detail)
            .member("limit_bytes", LARGEST_FILE_BYTES)
            .remedy("Read it from the object storage, or store it as application/octet-stream."));
    }
    let content = content.whole().await.map_err(Error::from)?;
    if let Ok(text) = std::str::from_utf8(&content)
        && let Ok(mut value) = serde_json::from_str::<Value>(&with_lost_as_text(text))
    {
        store.vault().show(&mut value);
        return Ok(value.to_string().into());
    }
    Ok(content)
}
