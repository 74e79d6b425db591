//! The settings of object storage, encryption and redaction of args and results. Must never show a
//! key in an error.

use std::collections::BTreeMap;
use std::path::PathBuf;

use tidemill_settings::section;
use tidemill_settings::types::{ByteSize, SealingKey, StorageUrl, VariableName, VariableText};

section! {
    /// Object storage for args and results that are too large for a row and for the files of jobs.
    StorageSection {
        /// Where it is: `s3://bucket/prefix`, `gs://bucket`, `az://container`, or `file:///folder`. Absent: `dev`
        /// keeps files in its data folder; other processes have no object storage and refuse values that are too
        /// large.
        url: Option<StorageUrl> = none;
        /// Options of the storage by the names of the `object_store` crate, such as `aws_access_key_id`, `aws_endpoint` or
        /// `allow_http`. The environment variables `AWS_…`, `GOOGLE_…` and `AZURE_…` are read as well.
        options: BTreeMap<VariableName, VariableText> = "{}";
        /// Args and results with more JSON than this are stored there.
        inline_bytes: ByteSize where "1KiB"..="1MiB" = "256KiB";
        /// The largest file that a job keeps.
        max_file_bytes: ByteSize where "1KiB"..="5GiB" = "256MiB";
    }
}

section! {
    /// Encryption of stored args and results, in rows and in object storage.
    EncryptionSection {
        /// Keys as `name:base64`, of 32 random bytes each (`openssl rand -base64 32`). The first key encrypts, every
        /// key decrypts: to change keys, put a new key in front and keep the old one while jobs from its time are
        /// kept. Absent: nothing is encrypted.
        keys: Vec<SealingKey> = "[]";
        /// A file with such keys, one per line; they come before `keys`.
        keys_file: Option<PathBuf> = none;
        /// Whether jobs with unencrypted args are refused, also when SQL enqueues them (jobs without args are
        /// accepted). The database remembers the setting, so only an explicit `false` ends it. Absent: unchanged.
        require: Option<bool> = none;
    }
}

section! {
    /// Values that only handlers see.
    RedactionSection {
        /// Names of keys whose values are hidden in every answer, event, page and view, at any depth of args,
        /// results, metadata and event data. Case, underscores and hyphens are ignored.
        keys: Vec<String> = "password,passwd,secret,client_secret,api_key,access_key,private_key,access_token,refresh_token,authorization";
    }
}
