//! The data that the parts of one attempt share: its job, the engine, the project. Must hold nothing of
//! another attempt.

use serde::Deserialize;

use tidemill::{Context, JobError, StopReason};

use crate::cancel::ProjectLocks;
use crate::catalog::Projects;
use crate::engine::Engine;
use crate::progress_reports::ProgressReports;
use crate::spec::{HubSettings, ProjectSpec};

/// The args of the hub's jobs.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Args {
    pub(crate) project: String,
    pub(crate) service_name: Option<String>,
    pub(crate) lines: Option<u32>,
}

/// The dependencies of a handler.
pub(crate) struct Work<'a> {
    pub(crate) context: &'a Context,
    pub(crate) settings: &'a HubSettings,
    pub(crate) project_locks: &'a ProjectLocks,
    pub(crate) progress: &'a ProgressReports,
    pub(crate) engine: &'a Engine,
    pub(crate) args: &'a Args,
    pub(crate) spec: &'a ProjectSpec,
    /// All projects, of which others must not be touched.
    pub(crate) projects: &'a Projects,
}

/// The outcome of an attempt after a stop request.
pub(crate) fn stopped(reason: StopReason) -> JobError {
    JobError::retry(format!("stopped: {reason}")).class("stopped")
}
