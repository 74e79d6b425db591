//! The default limit of the size of files. Must match docs/configuration.md.

/// The largest file of a job where nothing else is set, in bytes.
pub const LARGEST_FILE_BYTES: u64 = 256 * 1024 * 1024;
