//! The checkpoints and progress that attempts of one request report with their ends, stored for all of them
//! in two statements. Must store nothing under a lost lease.

use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::super::state::ApiState;
use super::durable::checked_step;
use super::report::progress_draft;
use crate::api::server::problem::Problem;
use crate::store::attempts::report::{Reported, report_in};
use crate::store::attempts::steps::{LeasedJob, NewStep};

const MOST_STEPS: usize = 20;

/// A checkpoint before an end.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct EndStep {
    /// The step's name, unique in the job: 1 to 200 characters.
    #[schema(min_length = 1, max_length = 200)]
    name: String,
    /// The output, at most 1 MiB of JSON.
    #[serde(default)]
    #[schema(value_type = Option<Value>)]
    output: Value,
    /// True for a cursor, whose last value counts; otherwise the first output counts.
    #[serde(default)]
    replace: bool,
}

/// The progress before an end.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct EndProgress {
    /// 0 to 100.
    #[schema(minimum = 0, maximum = 100)]
    percent: Option<f64>,
    /// The current step of the job.
    step: Option<String>,
    /// Your own data, at most 64 KiB of JSON.
    #[schema(value_type = Option<Value>)]
    data: Option<Value>,
}

/// What is to be stored.
#[derive(Debug, Default)]
pub(super) struct BeforeEnd {
    steps: Vec<NewStep>,
    reports: Vec<Reported>,
}

impl BeforeEnd {
    /// Takes what one attempt says.
    ///
    /// # Errors
    /// 413 or 422 with the field; then nothing of it is taken.
    pub(super) fn take(
        &mut self,
        leased: LeasedJob,
        steps: Vec<EndStep>,
        progress: Option<EndProgress>,
    ) -> Result<(), Problem> {
        if steps.len() > MOST_STEPS {
            let problem = Problem::invalid("/steps", format!("There are {} steps.", steps.len()));
            return Err(problem.remedy(format!("Send at most {MOST_STEPS}.")));
        }
        let checked = |(index, step): (usize, EndStep)| {
            let name = checked_step(step.name, &step.output);
            let name = name.map_err(|problem| problem.under(&format!("/steps/{index}")))?;
            Ok(NewStep { leased, name, output: step.output, replace: step.replace })
        };
        let steps = steps.into_iter().enumerate().map(checked).collect::<Result<Vec<_>, Problem>>()?;
        if let Some(EndProgress { percent, step, data }) = progress {
            let draft = progress_draft(percent, step, data).map_err(|problem| problem.under("/progress"))?;
            self.reports.push(Reported { job_id: leased.0, lease_id: leased.1, draft });
        }
        self.steps.extend(steps);
        Ok(())
    }

    /// Stores it, where the leases hold.
    ///
    /// # Errors
    /// When the database fails.
    pub(super) async fn store(self, state: &ApiState) -> Result<(), Problem> {
        if !self.steps.is_empty() {
            state.store.save_steps(&self.steps).await?;
        }
        if !self.reports.is_empty() {
            state.notifier.events(report_in(state.store.pool(), &self.reports).await?);
        }
        Ok(())
    }
}
