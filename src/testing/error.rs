//! The errors of a test.

use std::time::Duration;

use uuid::Uuid;

use crate::embedded::EmbeddedError;
use crate::store;

/// Why a test cannot continue.
#[derive(Debug, thiserror::Error)]
pub enum TestError {
    /// The database failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// No Postgres could be started.
    #[error(transparent)]
    Postgres(#[from] EmbeddedError),
    /// The folder of the Postgres could not be created.
    #[error("no folder for the test's Postgres: {0}")]
    Folder(#[from] std::io::Error),
    /// The job cannot be run now.
    #[error("the job {0} is {1} and cannot be run now")]
    NotFree(Uuid, String),
    /// The jobs were not done in time.
    #[error("jobs still run or are due after {0:?}: {1}")]
    Restless(Duration, String),
}
