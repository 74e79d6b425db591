//! The jobs that a job waits for, and the outcomes that let it run. Plain data; judged in the
//! database.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

/// A job that another one waits for.
///
/// # Examples
///
/// ```
/// use tidemill::{After, NewJob};
///
/// let render = NewJob::new("render", Default::default());
/// let mut send = NewJob::new("send", Default::default());
/// // It starts when the pages are rendered, and gets them as its arg `pages`.
/// send.after = vec![After::job(render.id).pass_as("pages")];
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct After {
    /// Its id, or `execution:` and its execution id.
    pub job: String,
    /// The arg under which its result is passed on; `name[]` collects several results into one array.
    pub pass_as: Option<String>,
}

impl After {
    /// Waits for a job without passing its result on.
    #[must_use]
    pub fn job(id: Uuid) -> Self {
        Self { job: id.to_string(), pass_as: None }
    }

    /// Passes its result on as this arg.
    #[must_use]
    pub fn pass_as(mut self, arg: impl Into<String>) -> Self {
        self.pass_as = Some(arg.into());
        self
    }

    /// In the format of the SQL function `parents_of`.
    #[must_use]
    pub fn edge(&self) -> Value {
        match &self.pass_as {
            None => json!({ "job": self.job }),
            Some(arg) => json!({ "job": self.job, "as": arg }),
        }
    }
}

/// Which outcomes of its parents let a job run.
///
/// # Examples
///
/// ```
/// use tidemill::{NewJob, RunIf, Workflow};
///
/// let job = |kind: &str| NewJob::new(kind, Default::default());
/// let backup = Workflow::new("backup")
///     .job("dump", job("dump-database"))
///     .job("alarm", job("call-operator"))
///     .after("dump")
///     .run_if(RunIf::AnyFailed);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RunIf {
    /// All parents completed; otherwise the job is cancelled. The default.
    AllCompleted,
    /// All parents finished, in any state.
    AllFinished,
    /// One parent completed.
    AnyCompleted,
    /// One parent failed or was cancelled: for clean-up jobs. Otherwise the job is skipped.
    AnyFailed,
}

impl RunIf {
    /// Its name.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::AllCompleted => "all_completed",
            Self::AllFinished => "all_finished",
            Self::AnyCompleted => "any_completed",
            Self::AnyFailed => "any_failed",
        }
    }
}
