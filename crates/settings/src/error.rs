//! The errors of a config, worded so that a person can fix them without a manual. Must never show a
//! value that may be a secret.

use std::fmt;
use std::path::PathBuf;

/// Why the config could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// There is no such file.
    #[error("{}: no such config file; create it, or name another with --config", path.display())]
    Missing {
        /// The given file name.
        path: PathBuf,
    },
    /// The file's name does not say how to read it.
    #[error("{}: a config file's name ends in .toml, .yaml or .yml", path.display())]
    UnknownFormat {
        /// The given file name.
        path: PathBuf,
    },
    /// Two files could both be the config.
    #[error("{} and {} both exist; keep one, or choose one with --config", first.display(), second.display())]
    TwoFiles {
        /// The first file.
        first: PathBuf,
        /// The second file.
        second: PathBuf,
    },
    /// The file could not be read.
    #[error("{}: cannot be read: {cause}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The error of the system.
        cause: std::io::Error,
    },
    /// The file is not valid TOML, YAML or `.env`.
    #[error("{}: {message}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// The error of the parser, with the line.
        message: String,
    },
    /// Settings are wrong; all of them are listed.
    #[error("{}", lines(.0))]
    Settings(Vec<WrongSetting>),
}

/// One wrong setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrongSetting {
    /// Its source: a file, an environment variable or a flag.
    pub origin: String,
    /// The full key, such as `kinds.build-crate.hard_timeout`.
    pub key: String,
    /// The kind of value found, and the allowed values.
    pub message: String,
}

impl fmt::Display for WrongSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.origin, self.key, self.message)
    }
}

fn lines(problems: &[WrongSetting]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}
