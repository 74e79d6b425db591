//! Uploads a file to the media storage: a file of a job, or a file below the folder that the config
//! allows. The same key always holds the same file, however often the upload is tried; must never
//! read a file outside that folder.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use object_store::path::Path as Key;
use object_store::{Attribute, Attributes, ObjectStore, PutOptions, PutPayload, parse_url_opts};
use serde::{Deserialize, Serialize};
use url::Url;
use uuid::Uuid;

use super::MEDIA;
use tidemill::{Context, Handler, JobError};

const LARGEST_BYTES: u64 = 256 * 1024 * 1024;
const KEY_BYTES: usize = 500;

/// The storage of media, and their allowed sources.
#[derive(Clone, PartialEq, Eq)]
pub struct MediaSpec {
    /// `s3://bucket/prefix`, `gs://…`, `az://…` or `file:///folder`; without one nothing can be uploaded.
    pub url: Option<String>,
    /// Options of the `object_store` crate; may hold credentials.
    pub options: BTreeMap<String, String>,
    /// The folder whose files may be uploaded; without it only files of jobs.
    pub folder: Option<PathBuf>,
}

impl std::fmt::Debug for MediaSpec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MediaSpec")
            .field("url", &self.url)
            .field("folder", &self.folder)
            .finish_non_exhaustive()
    }
}

/// The handler of `media.upload`.
#[derive(Debug)]
pub struct Media {
    target: Option<Target>,
    folder: Option<PathBuf>,
}

#[derive(Debug)]
struct Target {
    objects: Box<dyn ObjectStore>,
    prefix: Key,
    url: Url,
}

/// The args of `media.upload`: a job's file, or a path.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MediaArgs {
    /// The job of the file.
    job_id: Option<Uuid>,
    /// The file's name there.
    artifact: Option<String>,
    /// A file below the folder of the config.
    path: Option<PathBuf>,
    /// The key in the storage; by default the file's name.
    key: Option<String>,
    content_type: Option<String>,
    /// The session of the file, for the log.
    session_id: Option<String>,
}

/// The location of an uploaded file.
#[derive(Debug, Serialize)]
pub struct Uploaded {
    url: String,
    key: String,
    bytes: usize,
    content_type: String,
}

impl Media {
    /// Uploads there.
    ///
    /// # Errors
    /// For an address or an option that cannot be used.
    pub fn new(spec: &MediaSpec) -> Result<Self, String> {
        // Both may be called for, whichever the address names.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let open = |text: &String| {
            let url = Url::parse(text).map_err(|error| error.to_string())?;
            if let Ok(folder) = url.to_file_path() {
                std::fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
            }
            let (objects, prefix) =
                parse_url_opts(&url, spec.options.clone()).map_err(|error| error.to_string())?;
            Ok::<_, String>(Target { objects, prefix, url })
        };
        Ok(Self { target: spec.url.as_ref().map(open).transpose()?, folder: spec.folder.clone() })
    }

    /// The file, its content type and its name.
    async fn content(
        &self,
        context: &Context,
        args: &MediaArgs,
    ) -> Result<(Bytes, String, String), JobError> {
        match (args.job_id, &args.artifact, &args.path) {
            (Some(job_id), Some(name), None) => {
                let kept = context.kept(job_id, name).await?;
                let (content_type, bytes) =
                    kept.ok_or_else(|| missing(format!("job {job_id} has no file {name}")))?;
                Ok((bytes, content_type, format!("{job_id}/{name}")))
            }
            (None, None, Some(path)) => {
                let path = self.allowed(path)?;
                let bytes = tokio::fs::read(&path).await?;
                let name =
                    path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
                Ok((bytes.into(), media_type(&path).to_owned(), name))
            }
            _ => Err(bad("give job_id and artifact, or path")),
        }
    }

    /// The real path of a file, if it lies below the folder.
    fn allowed(&self, path: &Path) -> Result<PathBuf, JobError> {
        let folder = self
            .folder
            .as_ref()
            .ok_or_else(|| bad("files are not uploaded by this worker; set bughive.media_folder"))?;
        let folder =
            folder.canonicalize().map_err(|error| missing(format!("{}: {error}", folder.display())))?;
        let real = folder.join(path).canonicalize();
        let real = real.map_err(|error| missing(format!("{}: {error}", path.display())))?;
        if !real.starts_with(&folder) {
            return Err(bad(format!("{} is not below bughive.media_folder", path.display())));
        }
        let about = real.metadata()?;
        if !about.is_file() || about.len() > LARGEST_BYTES {
            return Err(bad(format!("{} is not a file of at most 256 MiB", path.display())));
        }
        Ok(real)
    }
}

impl Target {
    /// The path of a key, and its URL.
    fn place(&self, key: &str) -> Result<(Key, Url), JobError> {
        let parts: Vec<&str> = key.split('/').collect();
        if !(1..=KEY_BYTES).contains(&key.len()) || parts.contains(&"") {
            return Err(bad(format!(
                "the key {key:?} is not a path of 1 to {KEY_BYTES} bytes without empty parts"
            )));
        }
        if parts.iter().any(|part| [".", ".."].contains(part)) {
            return Err(bad(format!("the key {key:?} has a part `.` or `..`, which cannot be a file name")));
        }
        let inner =
            Key::parse(key).map_err(|error| bad(format!("the key {key:?} cannot be used: {error}")))?;
        let mut url = self.url.clone();
        let segments = url.path_segments_mut();
        segments.map_err(|()| bad("bughive.media_url must not have a path"))?.pop_if_empty().extend(parts);
        if let Ok(file) = url.to_file_path() {
            refuse_no_file(key, &file)?;
        }
        Ok((self.prefix.parts().chain(inner.parts()).collect(), url))
    }
}

impl Handler for Media {
    const KIND: &'static str = MEDIA;
    type Args = MediaArgs;
    type Output = Uploaded;

    async fn run(&self, context: Context, args: MediaArgs) -> Result<Uploaded, JobError> {
        let target = self.target.as_ref().ok_or_else(|| {
            JobError::permanent("there is no media storage; set bughive.media_url").class("no_storage")
        })?;
        let (file, found_type, name) = self.content(&context, &args).await?;
        let key = args.key.unwrap_or(name);
        let (path, url) = target.place(&key)?;
        let content_type = args.content_type.unwrap_or(found_type);
        let bytes = file.len();
        let attributes = Attributes::from_iter([(Attribute::ContentType, content_type.clone())]);
        // A folder cannot store a content type.
        let options = if url.scheme() == "file" {
            PutOptions::default()
        } else {
            PutOptions { attributes, ..PutOptions::default() }
        };
        let put = target.objects.put_opts(&path, PutPayload::from_bytes(file), options);
        tokio::select! {
            put = put => put.map_err(|error| refused(&error))?,
            reason = context.stopped() => {
                return Err(JobError::retry(format!("the upload was given up: {reason}")).class("stopped"));
            }
        };
        tracing::info!(session_id = args.session_id, task_id = %context.job_id(), key, bytes, "uploaded a file");
        Ok(Uploaded { url: url.into(), key, bytes, content_type })
    }
}

/// A key that can never be a file in a folder, whose store reserves `name#1`.
fn refuse_no_file(key: &str, file: &Path) -> Result<(), JobError> {
    let numbered = key.rsplit('/').next().and_then(|name| name.split_once('#'));
    if numbered.is_some_and(|(_, end)| !end.is_empty() && end.bytes().all(|byte| byte.is_ascii_digit())) {
        return Err(bad(format!(
            "the key {key:?} ends with `#` and a number, which is not allowed for a file in a folder"
        )));
    }
    if file.is_dir() {
        return Err(bad(format!("the key {key:?} is a folder")));
    }
    Ok(())
}

fn bad(message: impl Into<std::borrow::Cow<'static, str>>) -> JobError {
    JobError::permanent(message).class("bad_args")
}

fn missing(message: String) -> JobError {
    JobError::permanent(message).class("not_found")
}

/// A request that the storage forbids stays forbidden; any other error may pass.
fn refused(error: &object_store::Error) -> JobError {
    use object_store::Error::{NotFound, NotSupported, PermissionDenied, Unauthenticated};
    let message = format!("the media storage failed: {error}");
    match error {
        Unauthenticated { .. } | PermissionDenied { .. } => {
            JobError::permanent(message).class("authentication")
        }
        NotFound { .. } | NotSupported { .. } => JobError::permanent(message).class("not_found"),
        _ => JobError::retry(message).class("storage"),
    }
}

fn media_type(path: &Path) -> &'static str {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("png") => "image/png",
        Some("jpg" | "jpeg") => "image/jpeg",
        Some("webp") => "image/webp",
        Some("gif") => "image/gif",
        Some("mp4") => "video/mp4",
        Some("webm") => "video/webm",
        Some("json") => "application/json",
        Some("txt" | "log") => "text/plain",
        _ => "application/octet-stream",
    }
}
