//! Reads a remote worker's request for jobs.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::api::events::sse::LONGEST_SILENCE;
use crate::api::jobs::create_request::checked_timeouts;
use crate::api::jobs::duration_input::DurationInput;
use crate::api::server::problem::Problem;
use crate::api::server::validate;
use crate::store::attempts::claim::KindTerms;

const MOST_KINDS: usize = 1_000;
const MOST_QUEUES: usize = 100;
pub(super) const MOST_JOBS: i32 = 100;
pub(super) const LONGEST_WAIT_SECONDS: f64 = 60.0;

/// A remote worker's request for jobs.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ClaimRequest {
    /// The worker's own name, the same in all its requests.
    #[schema(min_length = 1, max_length = 63)]
    worker: String,
    /// The kinds that it serves, 1 to 1,000.
    #[schema(min_items = 1, max_items = 1000)]
    kinds: Vec<String>,
    /// The queues that it claims from, in this order; by default `default`.
    #[schema(max_items = 100)]
    queues: Option<Vec<String>>,
    /// The most jobs to claim, 1 to 100; by default 1.
    #[schema(minimum = 1, maximum = 100)]
    max: Option<i64>,
    /// How long to wait for the first job, 0 to 60 seconds, of which the server waits 45, because
    /// proxies cut a request that is silent for longer. By default 0.
    #[schema(minimum = 0, maximum = 60)]
    wait_seconds: Option<f64>,
    /// The time after which the worker asks its attempts to stop, for jobs without a soft timeout;
    /// by default that of the kind.
    #[schema(value_type = Option<DurationInput>)]
    soft_timeout: Option<Value>,
    /// The time after which an attempt must have ended, for jobs without a hard timeout; by default
    /// that of the kind, otherwise a day.
    #[schema(value_type = Option<DurationInput>)]
    hard_timeout: Option<Value>,
}

/// A claim after its values were checked.
#[derive(Debug)]
pub(crate) struct Wanted {
    pub(crate) worker: String,
    pub(crate) kinds: Vec<String>,
    pub(crate) queues: Vec<String>,
    pub(crate) max: i32,
    pub(crate) wait: Duration,
    /// How long it lets attempts of each kind take.
    pub(crate) terms: Vec<KindTerms>,
}

impl ClaimRequest {
    /// The request with every value checked.
    ///
    /// # Errors
    /// 422 with the first invalid field.
    pub(super) fn checked(self) -> Result<Wanted, Problem> {
        let names = |field: &str, names: Vec<String>, most: usize| {
            if !(1..=most).contains(&names.len()) {
                let problem = Problem::invalid(field, format!("There are {} names.", names.len()));
                return Err(problem.remedy(format!("Send 1 to {most}.")));
            }
            let each = names.into_iter().enumerate();
            each.map(|(index, name)| validate::name(&format!("{field}/{index}"), name)).collect()
        };
        let wait_seconds = self.wait_seconds.unwrap_or(0.0);
        if !(0.0..=LONGEST_WAIT_SECONDS).contains(&wait_seconds) {
            let problem = Problem::invalid("/wait_seconds", format!("{wait_seconds} is out of bounds."));
            return Err(problem.remedy(format!("Use 0 to {LONGEST_WAIT_SECONDS}.")));
        }
        let (soft, hard) = checked_timeouts(self.soft_timeout.as_ref(), self.hard_timeout.as_ref())?;
        let terms = KindTerms {
            soft_seconds: soft.map(|soft| soft.as_secs_f64()),
            hard_seconds: hard.map(|hard| hard.as_secs_f64()),
            grace_seconds: None,
        };
        let kinds: Vec<String> = names("/kinds", self.kinds, MOST_KINDS)?;
        Ok(Wanted {
            worker: validate::name("/worker", self.worker)?,
            terms: vec![terms; kinds.len()],
            kinds,
            queues: names("/queues", self.queues.unwrap_or_else(|| vec!["default".into()]), MOST_QUEUES)?,
            max: validate::within("/max", self.max.unwrap_or(1), 1, MOST_JOBS)?,
            wait: Duration::from_secs_f64(wait_seconds).min(LONGEST_SILENCE),
        })
    }
}
