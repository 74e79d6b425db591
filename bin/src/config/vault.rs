//! Settings of what becomes of args and results outside of handlers: object storage, encryption, redaction. Must not
//! say a key in an error.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::section::section;
use super::types::{ByteSize, SealingKey, StorageUrl, VariableName, VariableText};

section! {
    /// Object storage, for args and results that are too large for a row and for the files that jobs keep.
    StorageSection {
        /// Where it is: `s3://bucket/prefix`, `gs://bucket`, `az://container`, or `file:///folder`. Absent: `dev` keeps files in
        /// its data folder; elsewhere there is none, and what is too large is refused.
        url: Option<StorageUrl> = none;
        /// Options of the storage by the names of the `object_store` crate, such as `aws_access_key_id`, `aws_endpoint` or
        /// `allow_http`. Those that stand in the environment as `AWS_…`, `GOOGLE_…` and `AZURE_…` are read as well.
        options: BTreeMap<VariableName, VariableText> = "{}";
        /// Args and results of more JSON than this go there.
        inline_bytes: ByteSize where "1KiB"..="1MiB" = "256KiB";
    }
}

section! {
    /// Encryption of args and results where they lie, in rows and in object storage.
    EncryptionSection {
        /// Keys as `name:base64`, of 32 random bytes each (`openssl rand -base64 32`). The first seals, all open: to change keys
        /// put a new one in front and keep the old one as long as jobs of its time are kept. Absent: nothing is sealed.
        keys: Vec<SealingKey> = "[]";
        /// A file with such keys, one a line, before those of `keys`.
        keys_file: Option<PathBuf> = none;
        /// Whether jobs whose args are not sealed are refused, also when SQL enqueues them (without args it still may). The database
        /// remembers it, so `false` must be said to end it. Absent: as it was.
        require: Option<bool> = none;
    }
}

section! {
    /// What nobody sees but handlers.
    RedactionSection {
        /// Names of keys whose values no answer, event, page or view shows, at any depth of args, results, metadata and event data.
        /// Case, underscores and hyphens do not matter.
        keys: Vec<String> = "password,passwd,secret,client_secret,api_key,access_key,private_key,access_token,refresh_token,authorization";
    }
}
