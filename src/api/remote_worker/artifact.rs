//! Files of a remote worker's attempt, which go to the object storage as they arrive. Must never
//! hold a whole file in memory, and must store nothing for a lost lease.

use std::time::Duration;

use axum::Json;
use axum::body::{Body, BodyDataStream, Bytes};
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use futures_util::StreamExt as _;
use serde::{Deserialize, Serialize};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::responses::lease_lost;
use crate::api::jobs::artifacts::FileContent;
use crate::api::jobs::job_id::resolve;
use crate::api::server::json::Params;
use crate::api::server::path_params::ArtifactName;
use crate::api::server::problem::{Case, Problem};
use crate::api::state::ApiState;
use crate::job::document::address_of;
use crate::job::file_name;
use crate::store::Error;
use crate::store::attempts::artifacts::ArtifactUpload;
use crate::vault::VaultError;

/// How long the next bytes of a file may take to arrive.
const SILENCE: Duration = Duration::from_secs(30);
/// A file up to this size waits for no other.
const SMALL_BYTES: u64 = 256 * 1024;
/// How many larger files are received at once; each has some parts in memory.
static LARGE: Semaphore = Semaphore::const_new(8);
/// How long a larger file waits for others.
const WAIT: Duration = Duration::from_secs(20);

/// The lease of the attempt.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct LeaseParam {
    /// The lease that the claim returned.
    lease_id: Uuid,
}

/// The stored file.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct KeptArtifact {
    /// The path under which the API serves it.
    href: String,
    /// Its content type.
    content_type: String,
    /// Its size.
    bytes: u64,
}

/// Keep a file
///
/// Stores the body as a file of the job, with its `Content-Type`; GET /jobs/{id}/artifacts lists the files. A later
/// file of the same name replaces it, so the request may be repeated. The body is received as a stream: its size is
/// bounded by `storage.max_file_bytes`, and its time by the lease, which heartbeats keep alive meanwhile.
#[utoipa::path(
    put, path = "/api/v1/worker/jobs/{id}/artifacts/{name}", tag = "remote workers", operation_id = "keep_artifact",
    params(LeaseParam),
    request_body(content = FileContent, content_type = "application/octet-stream", description = "The file, of any content type"),
    responses(
        (status = 200, description = "The file is stored", body = KeptArtifact),
        (status = 404, description = ""),
        (status = 409, description = "The lease is lost, or there is no object storage"),
        (status = 413, description = "The file is too large"),
        (status = 415, description = "The body has a Content-Encoding"),
    )
)]
pub(crate) async fn keep(
    State(state): State<ApiState>,
    ArtifactName { job, name }: ArtifactName,
    Params(LeaseParam { lease_id }): Params<LeaseParam>,
    request: Request,
) -> Result<Json<KeptArtifact>, Problem> {
    let job_id = resolve(&state.store, job).await?;
    if let Some(why) = file_name::refusal(&name) {
        return Err(Problem::invalid("name", format!("{}.", capitalized(&why))));
    }
    let content_type = content_type(request.headers())?;
    let declared = declared_bytes(request.headers());
    let begun =
        state.store.begin_artifact((job_id, lease_id), &name, &content_type).await.map_err(unstored)?;
    let mut upload = begun.ok_or_else(|| lost(job_id, lease_id))?;
    if let Some(bytes) = declared {
        upload.fits(bytes).map_err(unstored)?;
    }
    let place = match declared {
        Some(..=SMALL_BYTES) => None,
        _ => Some(large_place().await?),
    };
    receive(&mut upload, request.into_body()).await?;
    let bytes = upload.bytes();
    // A caller that hangs up now cannot leave a record without its file.
    let ending = async move {
        let kept = state.store.record_artifact(&upload).await?;
        if kept {
            upload.finish().await?;
        }
        Ok(kept)
    };
    let kept = tokio::spawn(ending).await.map_err(|error| Problem::internal(&error))?;
    drop(place);
    if !kept.map_err(unstored)? {
        return Err(lost(job_id, lease_id));
    }
    let href = address_of(&format!("/api/v1/jobs/{job_id}/artifacts/{name}"));
    Ok(Json(KeptArtifact { href, content_type, bytes }))
}

/// Sends the body on as it arrives.
async fn receive(upload: &mut ArtifactUpload, body: Body) -> Result<(), Problem> {
    let mut pieces = body.into_data_stream();
    while let Some(piece) = next(&mut pieces).await? {
        upload.put(piece).await.map_err(unstored)?;
    }
    Ok(())
}

async fn next(pieces: &mut BodyDataStream) -> Result<Option<Bytes>, Problem> {
    let Ok(piece) = timeout(SILENCE, pieces.next()).await else {
        let detail = format!("Nothing of the file arrived for {} s.", SILENCE.as_secs());
        return Err(Problem::new(Case::BodyTimeout, detail).remedy("Send it again, without a pause."));
    };
    piece.transpose().map_err(|_| {
        Problem::new(Case::BadRequest, "The connection was closed before the file was complete.")
    })
}

async fn large_place() -> Result<SemaphorePermit<'static>, Problem> {
    let Ok(Ok(place)) = timeout(WAIT, LARGE.acquire()).await else {
        let detail = "The server has reached its limit of files that it receives at once.";
        return Err(Problem::new(Case::Unavailable, detail).retry_after(WAIT));
    };
    Ok(place)
}

fn declared_bytes(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// What the header says; bytes without one are of no known type.
fn content_type(headers: &HeaderMap) -> Result<String, Problem> {
    if headers.get(CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity") {
        let detail = "The file is sent with a Content-Encoding; it would be stored encoded.";
        return Err(Problem::new(Case::UnsupportedMediaType, detail)
            .field("Content-Encoding")
            .remedy("Send the file as it is, without a Content-Encoding."));
    }
    let Some(header) = headers.get(CONTENT_TYPE) else { return Ok(file_name::BYTES.to_owned()) };
    let text = header.to_str().ok().filter(|text| file_name::is_content_type(text));
    text.map(str::to_owned).ok_or_else(|| {
        Problem::invalid("Content-Type", "The Content-Type is not acceptable.")
            .remedy("Send one such as application/pdf, of at most 255 printable characters.")
    })
}

fn lost(job_id: Uuid, lease_id: Uuid) -> Problem {
    lease_lost(job_id, lease_id).field("lease_id")
}

fn unstored(error: Error) -> Problem {
    match error {
        Error::Vault(VaultError::FileTooLarge { limit }) => {
            Problem::new(Case::TooLarge, format!("The file is larger than {limit} bytes."))
                .member("limit_bytes", limit)
                .remedy("Send a smaller file, or raise storage.max_file_bytes of the server.")
        }
        Error::Vault(VaultError::NoStorage) => {
            Problem::new(Case::NoStorage, "Files of jobs need object storage, and there is none.")
        }
        other => other.into(),
    }
}

fn capitalized(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
