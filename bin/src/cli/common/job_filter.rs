//! The filter of actions on many jobs, as flags. The server validates the values.

use clap::Args;
use serde_json::{Map, Value};

/// The flags; a job must match each that is given.
#[derive(Debug, Args)]
pub(crate) struct JobFilterArgs {
    /// Only this kind
    #[arg(long)]
    kind: Option<String>,
    /// Only this queue
    #[arg(long)]
    queue: Option<String>,
    /// Only jobs with this tag
    #[arg(long)]
    tag: Option<String>,
    /// Only jobs of this owner
    #[arg(long)]
    owner: Option<String>,
    /// Only jobs with this text in the message of the last error
    #[arg(long, value_name = "TEXT")]
    error: Option<String>,
    /// Only jobs that failed with this cause, as `tidemill failures` shows it
    #[arg(long)]
    fingerprint: Option<String>,
    /// Only jobs enqueued since this time, such as 2030-01-31T08:00:00Z
    #[arg(long, value_name = "TIME")]
    created_after: Option<String>,
    /// Only jobs enqueued before this time
    #[arg(long, value_name = "TIME")]
    created_before: Option<String>,
    /// Only jobs that finished since this time
    #[arg(long, value_name = "TIME")]
    finished_after: Option<String>,
    /// Only jobs that finished before this time
    #[arg(long, value_name = "TIME")]
    finished_before: Option<String>,
}

impl JobFilterArgs {
    /// The filter as the API takes it, with the state, whose flag each command has itself.
    pub(crate) fn with_state(self, state: Option<String>) -> Map<String, Value> {
        let fields = [
            ("state", state),
            ("kind", self.kind),
            ("queue", self.queue),
            ("tag", self.tag),
            ("owner", self.owner),
            ("error", self.error),
            ("fingerprint", self.fingerprint),
            ("created_after", self.created_after),
            ("created_before", self.created_before),
            ("finished_after", self.finished_after),
            ("finished_before", self.finished_before),
        ];
        fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.into()))).collect()
    }
}
