//! The body of POST /jobs and of one item of a batch: reads it strictly and turns it into a job
//! request. Must never let a value through that the database would refuse.

#![expect(clippy::option_option, reason = "a null says something else than a field that is left out")]

use std::time::Duration;

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

use super::after_request::{AfterInput, checked_after, checked_run_if};
use super::args_rules::ArgsRules;
use super::duration_input::DurationInput;
use super::unique_request;
use super::unique_request::UniqueInput;
use crate::api::server::problem::Problem;
use crate::api::server::{json, validate};
use crate::job::after::RunIf;
use crate::job::limits::{EXECUTION_ID_CHARACTERS, KEY_CHARACTERS};
use crate::job::new::{KindDefault, NewJob};

const LONGEST_TIMEOUT: Duration = Duration::from_hours(30 * 24);
pub(crate) const MOST_ATTEMPTS: i32 = 1000;
const MOST_TAGS: usize = 20;
const METADATA_BYTES: usize = 16 * 1024;
const MOST_KEYS: usize = 4;
const MOST_JOBS: usize = 10_000;

/// A job to enqueue. Only `kind` is required; fields left out come from the settings of the kind. `null` as
/// `concurrency_key`, `fair_key`, `unique` or `expires_in` turns off that of the kind.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"kind": "build-crate", "args": {"crate": "hello"}, "priority": "high", "delay": "30s"}))]
pub struct JobRequest {
    /// The kind, which selects the handler: 1 to 63 letters, digits, `.`, `_` and `-`.
    #[schema(
        min_length = 1,
        max_length = 63,
        pattern = "^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$",
        example = "build-crate"
    )]
    kind: String,
    /// The job's input.
    #[schema(value_type = Option<Object>)]
    args: Option<Map<String, Value>>,
    /// The queue; by default that of the kind.
    #[schema(min_length = 1, max_length = 63, pattern = "^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")]
    queue: Option<String>,
    /// 1 (first) to 9 (last), or `critical` (1), `high` (3), `normal` (5), `low` (7).
    #[schema(value_type = Option<PriorityInput>)]
    priority: Option<Value>,
    /// The earliest start: RFC 3339 with an offset.
    #[schema(format = DateTime)]
    run_at: Option<String>,
    /// The delay before the job may start; instead of `run_at`.
    #[schema(value_type = Option<DurationInput>)]
    delay: Option<Value>,
    /// The most attempts.
    #[schema(minimum = 1, maximum = 1000)]
    max_attempts: Option<i64>,
    /// The time after which the handler is asked to stop.
    #[schema(value_type = Option<DurationInput>)]
    soft_timeout: Option<Value>,
    /// The time after which the attempt is ended; longer than `soft_timeout`, at most 30 days.
    #[schema(value_type = Option<DurationInput>)]
    hard_timeout: Option<Value>,
    /// Your own name for this piece of work; unique among the jobs that are kept.
    #[schema(min_length = 1, max_length = 255)]
    execution_id: Option<String>,
    /// Tags to find the job by, each of 1 to 64 characters.
    #[schema(max_items = 20)]
    tags: Option<Vec<String>>,
    /// Your own data that the handler does not need, at most 16 KiB.
    #[schema(value_type = Option<Object>)]
    metadata: Option<Map<String, Value>>,
    /// How long the finished job is kept.
    #[schema(value_type = Option<DurationInput>)]
    retain: Option<Value>,
    /// The limits that the job counts against: the name of a limit, or `name:key` for a separate
    /// count per key; a list of at most 4 for several limits.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<ConcurrencyKeyInput>, example = "tenant:42")]
    concurrency_key: Option<Option<Value>>,
    /// The group of the job for fairness; within a queue and priority, jobs of different groups
    /// take turns.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 255)]
    fair_key: Option<Option<String>>,
    /// The user for whom it runs, an id that your application defines; tokens for this owner reach
    /// the job, and its children inherit it.
    #[schema(min_length = 1, max_length = 255)]
    owner: Option<String>,
    /// The rule for a unique job: it is not stored while another job holds its key; `{}` means one
    /// job per kind and args.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<UniqueInput>)]
    unique: Option<Option<Value>>,
    /// The time at which the job is cancelled if it has not started: RFC 3339 with an offset.
    #[schema(format = DateTime)]
    expires_at: Option<String>,
    /// The time from now after which the job is cancelled if it has not started; instead of
    /// `expires_at`.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<DurationInput>)]
    expires_in: Option<Option<Value>>,
    /// The jobs that it waits for: ids or `execution:NAME`, or `{"job": …, "as": "arg"}` to receive
    /// the result as an arg (`name[]` collects several). A delay starts when they have finished.
    #[schema(max_items = 1000)]
    after: Option<Vec<AfterInput>>,
    /// Which outcomes of those jobs let it run; by default all must complete.
    run_if: Option<RunIf>,
}

/// A priority as a number or by name.
#[derive(ToSchema)]
#[schema(as = Priority)]
#[serde(untagged)]
pub enum PriorityInput {
    /// 1 (first) to 9 (last).
    Number(u8),
    /// By name.
    Name(PriorityName),
}

/// The named priorities.
#[derive(ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum PriorityName {
    /// 1
    Critical,
    /// 3
    High,
    /// 5
    Normal,
    /// 7
    Low,
}

/// One concurrency key, or several.
#[derive(ToSchema)]
#[schema(as = ConcurrencyKey)]
#[serde(untagged)]
pub enum ConcurrencyKeyInput {
    /// Such as `tenant:42`.
    One(String),
    /// At most 4.
    Several(Vec<String>),
}

impl JobRequest {
    /// The fields that the job of a workflow may have.
    pub(crate) fn of_workflow(
        execution_id: Option<String>,
        tags: Option<Vec<String>>,
        metadata: Option<Map<String, Value>>,
        retain: Option<Value>,
        owner: Option<String>,
    ) -> Self {
        let kind = "workflow".to_owned();
        Self { kind, execution_id, tags, metadata, retain, owner, ..Self::default() }
    }

    /// The job request with every value checked.
    ///
    /// # Errors
    /// 422 with the first invalid field, and the errors of the rules for its args.
    pub fn into_new_job(self, rules: &ArgsRules) -> Result<NewJob, Problem> {
        let job = self.read()?;
        rules.check(&job, job.after.iter().any(|after| after.pass_as.is_some()))?;
        Ok(job)
    }

    /// The same, without the rules for its args.
    pub(crate) fn read(self) -> Result<NewJob, Problem> {
        if self.run_at.is_some() && self.delay.is_some() {
            let problem = Problem::invalid("/delay", "The job has both run_at and delay.");
            return Err(problem.remedy("Send one of the two."));
        }
        if self.expires_at.is_some() && matches!(self.expires_in, Some(Some(_))) {
            let problem = Problem::invalid("/expires_in", "The job has both expires_at and expires_in.");
            return Err(problem.remedy("Send one of the two."));
        }
        let (soft_timeout, hard_timeout) =
            checked_timeouts(self.soft_timeout.as_ref(), self.hard_timeout.as_ref())?;
        let longest = validate::LONGEST_DURATION;
        let turned_off = self.turned_off();
        Ok(NewJob {
            id: Uuid::now_v7(),
            kind: validate::name("/kind", self.kind)?,
            args: self.args.unwrap_or_default(),
            queue: self.queue.map(|queue| validate::name("/queue", queue)).transpose()?,
            priority: self.priority.map(|priority| validate::priority("/priority", &priority)).transpose()?,
            run_at: self.run_at.map(|time| validate::time("/run_at", &time)).transpose()?,
            delay: self.delay.map(|delay| validate::duration("/delay", &delay, longest)).transpose()?,
            max_attempts: self
                .max_attempts
                .map(|attempts| validate::within("/max_attempts", attempts, 1, MOST_ATTEMPTS))
                .transpose()?,
            soft_timeout,
            hard_timeout,
            execution_id: self
                .execution_id
                .map(|id| validate::text("/execution_id", id, EXECUTION_ID_CHARACTERS))
                .transpose()?,
            tags: checked_tags(self.tags.unwrap_or_default())?,
            metadata: self.metadata.map(checked_metadata).transpose()?,
            retain: self.retain.map(|retain| validate::duration("/retain", &retain, longest)).transpose()?,
            concurrency_keys: self
                .concurrency_key
                .flatten()
                .map_or_else(|| Ok(Vec::new()), |keys| checked_keys("/concurrency_key", keys))?,
            fair_key: self
                .fair_key
                .flatten()
                .map(|key| validate::text("/fair_key", key, KEY_CHARACTERS))
                .transpose()?,
            owner: self.owner.map(|owner| validate::text("/owner", owner, KEY_CHARACTERS)).transpose()?,
            expires_at: self.expires_at.map(|time| validate::time("/expires_at", &time)).transpose()?,
            expires_in: self
                .expires_in
                .flatten()
                .map(|lasting| validate::positive_duration("/expires_in", &lasting, longest))
                .transpose()?,
            unique: self.unique.flatten().map(|value| unique_request::read("/unique", &value)).transpose()?,
            turned_off,
            run_if: checked_run_if(self.run_if, self.after.as_deref())?,
            after: checked_after(self.after.unwrap_or_default())?,
        })
    }
}

impl JobRequest {
    /// The defaults of its kind for which it has an explicit null.
    fn turned_off(&self) -> Vec<KindDefault> {
        let off = [
            (KindDefault::Unique, matches!(self.unique, Some(None))),
            (KindDefault::ConcurrencyKey, matches!(self.concurrency_key, Some(None))),
            (KindDefault::FairKey, matches!(self.fair_key, Some(None))),
            (KindDefault::ExpiresIn, matches!(self.expires_in, Some(None))),
        ];
        off.into_iter().filter_map(|(default, is_off)| is_off.then_some(default)).collect()
    }
}

/// Distinguishes a null from an absent field.
fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// Reads the body of POST /jobs.
///
/// # Errors
/// 400, 413 or 422 with the field and the remedy.
pub fn read_one(body: &[u8], rules: &ArgsRules) -> Result<NewJob, Problem> {
    json::parse::<JobRequest>(body)?.into_new_job(rules)
}

/// Reads the body of POST /jobs/batch: each item is a job or its own problem, in order.
///
/// # Errors
/// 400 or 422 if the body is not an array of 1 to 10,000 items.
pub fn read_batch(body: &[u8], rules: &ArgsRules) -> Result<Vec<Result<NewJob, Problem>>, Problem> {
    let items = json::split(body, MOST_JOBS)?.into_iter().enumerate();
    let read = |(index, item): (usize, &RawValue)| {
        read_one(item.get().as_bytes(), rules).map_err(|problem| problem.under(&format!("/{index}")))
    };
    Ok(items.map(read).collect())
}

pub(crate) fn checked_metadata(metadata: Map<String, Value>) -> Result<Map<String, Value>, Problem> {
    let bytes = validate::json_bytes(&metadata);
    if bytes > METADATA_BYTES {
        let detail = format!("The metadata is {bytes} bytes of JSON.");
        return Err(
            Problem::invalid("/metadata", detail).remedy(format!("Send at most {METADATA_BYTES} bytes."))
        );
    }
    Ok(metadata)
}

pub(crate) fn checked_tags(tags: Vec<String>) -> Result<Vec<String>, Problem> {
    if tags.len() > MOST_TAGS {
        let problem = Problem::invalid("/tags", format!("The job has {} tags.", tags.len()));
        return Err(problem.remedy(format!("Send at most {MOST_TAGS}.")));
    }
    tags.into_iter().enumerate().map(|(index, tag)| validate::tag(&format!("/tags/{index}"), tag)).collect()
}

/// One concurrency key or a list of them.
pub(crate) fn checked_keys(field: &str, keys: Value) -> Result<Vec<String>, Problem> {
    let keys = match keys {
        Value::Array(keys) if (1..=MOST_KEYS).contains(&keys.len()) => keys,
        text @ Value::String(_) => return Ok(vec![checked_key(field, text)?]),
        _ => {
            let problem = Problem::invalid(field, "It is neither text nor a list of 1 to 4 texts.");
            return Err(problem.remedy("Send one key such as \"tenant:42\", or a list of at most 4."));
        }
    };
    let keys = keys.into_iter().enumerate();
    keys.map(|(index, key)| checked_key(&format!("{field}/{index}"), key)).collect()
}

fn checked_key(field: &str, key: Value) -> Result<String, Problem> {
    let Value::String(key) = key else {
        return Err(Problem::invalid(field, "It is not text.").remedy("Send a key such as \"tenant:42\"."));
    };
    let key = validate::text(field, key, KEY_CHARACTERS)?;
    let name = key.split(':').next().unwrap_or_default();
    validate::name(field, name.to_owned()).map_err(|problem| {
        problem
            .remedy("Begin with the name of a limit (letters, digits, '.', '_', '-'), then ':' and the key.")
    })?;
    Ok(key)
}

type Timeouts = (Option<Duration>, Option<Duration>);

/// Both timeouts of an attempt, each longer than zero, the soft one shorter.
///
/// # Errors
/// 422 for anything else.
pub(crate) fn checked_timeouts(soft: Option<&Value>, hard: Option<&Value>) -> Result<Timeouts, Problem> {
    let read = |field, value| validate::positive_duration(field, value, LONGEST_TIMEOUT);
    let soft = soft.map(|value| read("/soft_timeout", value)).transpose()?;
    let hard = hard.map(|value| read("/hard_timeout", value)).transpose()?;
    if let (Some(soft), Some(hard)) = (soft, hard)
        && soft >= hard
    {
        let problem =
            Problem::invalid("/soft_timeout", "The soft timeout is not shorter than the hard timeout.");
        return Err(problem.remedy("Make soft_timeout shorter than hard_timeout."));
    }
    Ok((soft, hard))
}

#[cfg(test)]
#[path = "create_request_tests.rs"]
mod tests;
