//! Jobs that are ready to be stored: their args are encrypted or in object storage, as this
//! process's vault says. Every enqueue takes only these, and only a store creates them, so no
//! caller can forget it.

use std::ops::Deref;

use serde_json::{Map, Value};

use crate::job::new::NewJob;
use crate::job::workflow::Workflow;
use crate::store::{Result, Store, trace_scope};

/// A job whose args may be stored.
#[derive(Debug, Clone, PartialEq)]
pub struct PreparedJob {
    job: NewJob,
    /// The args in stored form, if they differ.
    sealed: Option<Value>,
}

/// A workflow whose jobs' args may be stored, in the format of the SQL function `create_workflow`.
#[derive(Debug, Clone, PartialEq)]
pub struct PreparedWorkflow(Value);

/// A child that a running attempt enqueues.
#[derive(Debug, Clone, PartialEq)]
pub enum Child {
    /// One job.
    Job(Box<PreparedJob>),
    /// A whole workflow.
    Workflow(PreparedWorkflow),
}

impl Deref for PreparedJob {
    type Target = NewJob;

    fn deref(&self) -> &NewJob {
        &self.job
    }
}

impl PreparedJob {
    /// The job as its caller described it.
    #[must_use]
    pub fn into_job(self) -> NewJob {
        self.job
    }

    /// As [`NewJob::options`].
    pub(crate) fn options(&self) -> Option<Value> {
        let Some(sealed) = &self.sealed else { return self.job.options() };
        let mut options = match self.job.options() {
            Some(Value::Object(options)) => options,
            _ => Map::new(),
        };
        options.insert("sealed".into(), sealed.clone());
        Some(Value::Object(options))
    }

    /// As [`NewJob::to_spec`].
    pub(crate) fn to_spec(&self) -> Map<String, Value> {
        let mut spec = self.job.to_spec();
        if let Some(sealed) = &self.sealed {
            spec.insert("sealed".into(), sealed.clone());
        }
        spec
    }
}

impl PreparedWorkflow {
    pub(crate) fn spec(&self) -> &Value {
        &self.0
    }
}

impl Child {
    pub(crate) fn to_spec(&self) -> Value {
        match self {
            Self::Job(job) => Value::Object(job.to_spec()),
            Self::Workflow(workflow) => workflow.0.clone(),
        }
    }

    pub(crate) fn is_workflow(&self) -> bool {
        matches!(self, Self::Workflow(_))
    }
}

impl Store {
    /// Encrypts the args of a job if encryption is configured, and moves large ones into object storage if
    /// there is one. Must be called outside transactions.
    ///
    /// # Errors
    /// When the storage fails, and for args that could be taken for stored ones.
    pub async fn prepare(&self, job: NewJob) -> Result<PreparedJob> {
        let mut prepared = self.prepare_inline(job)?;
        if self.vault().blob_store.is_none() {
            return Ok(prepared);
        }
        let args =
            prepared.sealed.as_ref().map_or_else(|| json_text(&prepared.job.args), ToString::to_string);
        if let Some(stored) = self.keep_large_args(prepared.job.id, args).await? {
            prepared.sealed = Some(stored);
        }
        Ok(prepared)
    }

    /// As [`Store::prepare`], but large args stay in the row: for jobs that are enqueued in a transaction of the caller's.
    ///
    /// # Errors
    /// For args that could be taken for stored ones.
    pub fn prepare_inline(&self, mut job: NewJob) -> Result<PreparedJob> {
        trace_scope::inherit(&mut job);
        let sealed = self.seal_args(&job.args)?;
        Ok(PreparedJob { job, sealed })
    }

    /// As [`Store::prepare_inline`], for each of these.
    ///
    /// # Errors
    /// As [`Store::prepare_inline`].
    pub fn prepare_each(&self, jobs: &[NewJob]) -> Result<Vec<PreparedJob>> {
        jobs.iter().map(|job| self.prepare_inline(job.clone())).collect()
    }

    /// As [`Store::prepare_inline`], for each job of a workflow and of those in it.
    ///
    /// # Errors
    /// As [`Store::prepare_inline`].
    pub fn prepare_workflow(&self, workflow: &Workflow) -> Result<PreparedWorkflow> {
        let mut prepare =
            |job: &NewJob| -> Result<Map<String, Value>> { Ok(self.prepare_inline(job.clone())?.to_spec()) };
        workflow.spec_of(&mut prepare).map(PreparedWorkflow)
    }
}

fn json_text(args: &Map<String, Value>) -> String {
    serde_json::to_string(args).unwrap_or_default()
}
