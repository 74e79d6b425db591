//! Builds the encryption, storage and redaction of job JSON from the config. Must never show a key.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use url::Url;

use super::failed;
use crate::cli::common::error::CliError;
use crate::config::Config;
use tidemill::extension::Storage;
use tidemill::secrecy;
use tidemill::vault::{BlobStore, Keyring, Redactor, Vault};
use tidemill_settings::types::{ByteSize, StorageUrl};

/// The prefixes of environment variables that a cloud's own tools read.
const CLOUD_VARIABLES: [&str; 3] = ["AWS_", "GOOGLE_", "AZURE_"];
/// The parts of the names of variables that hold credentials, or their location.
const CREDENTIALS: [&str; 7] = ["KEY", "SECRET", "TOKEN", "CREDENTIAL", "SAS", "PASSWORD", "SERVICE_ACCOUNT"];

/// The vault that a config describes.
pub(crate) fn vault(config: &Config) -> Result<Arc<Vault>, CliError> {
    let keyring = Keyring::read(&keys(config)?).map_err(failed)?;
    let blob_store = match &config.storage.url {
        Some(StorageUrl(url)) => Some(blob_store(config, url)?),
        None => None,
    };
    let mut hidden = config.redaction.keys.clone();
    let of_extensions = config.extensions.iter().flat_map(|extension| extension.redacted_fields());
    hidden.extend(of_extensions.map(|&key| key.to_owned()));
    Ok(Arc::new(Vault { keyring, blob_store, redactor: Redactor::new(&hidden) }))
}

fn keys(config: &Config) -> Result<Vec<String>, CliError> {
    let encryption = &config.encryption;
    let mut keys = Vec::new();
    if let Some(file) = &encryption.keys_file {
        let text = std::fs::read_to_string(file).map_err(|error| {
            CliError::Failed(format!(
                "encryption.keys_file {} cannot be read: {error}; create it with one name:base64 per line, \
                 or remove the setting",
                file.display()
            ))
        })?;
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        keys.extend(lines.map(str::to_owned));
    }
    keys.extend(encryption.keys.iter().map(|key| key.0.clone()));
    Ok(keys)
}

fn blob_store(config: &Config, url: &str) -> Result<BlobStore, CliError> {
    let ByteSize(inline) = config.storage.inline_bytes;
    let ByteSize(largest) = config.storage.max_file_bytes;
    let inline = usize::try_from(inline).unwrap_or(usize::MAX);
    let opened = BlobStore::open(url, options(config, url), inline).map_err(failed);
    opened.map(|opened| opened.with_max_file_bytes(largest))
}

/// The options of the storage at `url`: what the config says wins over the environment.
fn options(config: &Config, url: &str) -> BTreeMap<String, String> {
    let configured =
        config.storage.options.iter().map(|(name, value)| (name.0.to_lowercase(), value.0.clone()));
    cloud_variables(url).chain(configured).collect()
}

/// The object storage of the config.
pub(crate) fn storage(config: &Config) -> Option<Storage> {
    let StorageUrl(url) = config.storage.url.as_ref()?;
    Some(Storage { url: url.clone(), options: options(config, url) })
}

/// What the environment says of clouds, for the storage at `url`. The credentials of a cloud are this process's own
/// from then on: no command inherits them.
pub(crate) fn cloud_variables(url: &str) -> impl Iterator<Item = (String, String)> {
    let is_cloud = !url.starts_with("file:");
    std::env::vars().filter(|(name, _)| CLOUD_VARIABLES.iter().any(|cloud| name.starts_with(cloud))).map(
        move |(name, value)| {
            if is_cloud && CREDENTIALS.iter().any(|word| name.contains(word)) {
                secrecy::withhold(&name);
            }
            (name.to_lowercase(), value)
        },
    )
}

/// The address of a folder.
pub(crate) fn folder_url(folder: &Path) -> Result<StorageUrl, CliError> {
    let absolute = std::path::absolute(folder).map_err(failed)?;
    let url = Url::from_directory_path(&absolute)
        .map_err(|()| CliError::Failed(format!("{} is not a folder for files", absolute.display())))?;
    Ok(StorageUrl(url.to_string()))
}
