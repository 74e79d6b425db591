//! The bound of files where the config has none. Must stay what docs/configuration.md says.

/// The largest file of a job where nothing else is set, in bytes.
pub const LARGEST_FILE_BYTES: u64 = 256 * 1024 * 1024;
