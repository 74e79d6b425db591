//! Durable code of handlers: steps that are not run again, sleeps that a restart does not prolong,
//! signals, and cursors of long jobs. Every checkpoint is stored before the handler continues.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use tokio::sync::OnceCell;

use super::Context;
use crate::job::attempt::Wait;
use crate::job::limits::{PART_NAME_CHARACTERS, STEP_OUTPUT_BYTES};
use crate::job::text::storable_json;
use crate::vault::Field;
use crate::worker::handler::JobError;

/// A shorter sleep keeps its slot.
const SHORT_SLEEP: Duration = Duration::from_secs(1);

/// The checkpoints of the job, read on first use.
#[derive(Debug, Default)]
pub(in crate::worker) struct Steps(OnceCell<Mutex<HashMap<String, Value>>>);

impl Steps {
    async fn of(&self, context: &Context) -> Result<MutexGuard<'_, HashMap<String, Value>>, JobError> {
        let read = async {
            let mut known = HashMap::new();
            if let Some(store) = context.stored() {
                for step in context.answered("steps", || store.steps(context.job_id())).await? {
                    known.insert(step.name, store.vault().open(step.output.unwrap_or_default())?);
                }
            }
            Ok::<_, JobError>(Mutex::new(known))
        };
        let known = self.0.get_or_try_init(|| read).await?;
        Ok(known.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Context {
    /// Runs a piece of the job once: its output is stored before it is returned, and when the job runs
    /// again, the stored output is returned instead. Names are unique in a job; in a loop include the
    /// number, such as `page-7`. Work after the last checkpoint is done again after a crash, so a step must
    /// be safe to repeat.
    ///
    /// ```
    /// # use tidemill::{Context, JobError};
    /// async fn handle(context: Context) -> Result<String, JobError> {
    ///     let order: u64 = context.step("charge", || async { Ok(42) }).await?;
    ///     context.step("send-receipt", || async move { Ok(format!("receipt of {order}")) }).await
    /// }
    /// ```
    ///
    /// # Errors
    /// The step's own, and those of the database; an output above 1 MiB is a permanent failure. End the
    /// attempt with the error.
    pub async fn step<T, R>(&self, name: &str, run: impl FnOnce() -> R) -> Result<T, JobError>
    where
        T: Serialize + DeserializeOwned,
        R: Future<Output = Result<T, JobError>>,
    {
        if let Some(output) = self.steps().of(self).await?.get(name).cloned() {
            return read(name, output);
        }
        let output = run().await?;
        let kept = self.save(name, write(name, &output)?, false).await?;
        read(name, kept)
    }

    /// The value that the job last stored with [`Context::save_cursor`], also in an earlier attempt.
    ///
    /// # Errors
    /// Those of the database, and of a value that is not a `T`.
    pub async fn cursor<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, JobError> {
        let output = self.steps().of(self).await?.get(name).cloned();
        output.map(|output| read(name, output)).transpose()
    }

    /// Stores the position of the job, such as the last page that it read; a later value replaces it.
    ///
    /// # Errors
    /// Those of the database, and for a value above 1 MiB. End the attempt with them.
    pub async fn save_cursor<T: Serialize>(&self, name: &str, value: &T) -> Result<(), JobError> {
        self.save(name, write(name, value)?, true).await.map(|_| ())
    }

    /// Encrypts a part of a step's output, such as a session, if args are encrypted; a later attempt gets
    /// it decrypted. Without encryption it is unchanged.
    ///
    /// # Errors
    /// For a value that is too large to be encrypted.
    pub fn sealed(&self, value: Value) -> Result<Value, JobError> {
        match self.stored() {
            Some(store) => Ok(store.vault().keyring.seal(Field::Memory, rand::random(), &value)?),
            None => Ok(value),
        }
    }

    /// Sleeps, without a slot unless it is for less than a second. The time to wake up is fixed at the
    /// first call, so a restart prolongs nothing. Pass the error on with `?`: it ends the attempt without
    /// counting it, and the job runs again when the time has come.
    ///
    /// # Errors
    /// While it sleeps, and when the database fails.
    pub async fn sleep(&self, name: &str, duration: Duration) -> Result<(), JobError> {
        let left = match self.stored() {
            Some(store) => {
                self.flush().await;
                let seconds = duration.as_secs_f64();
                let left = self.answered("sleep", || store.sleep_step(self.lease(), name, seconds)).await?;
                left.ok_or_else(JobError::lost)?
            }
            None => 0.0,
        };
        let left = Duration::try_from_secs_f64(left.max(0.0)).unwrap_or(Duration::MAX);
        if left > SHORT_SLEEP {
            return Err(JobError::snooze(left));
        }
        tokio::time::sleep(left).await;
        Ok(())
    }

    /// Waits for a signal to this job, without a slot; `None` if none arrived within `timeout`, which is
    /// then final. A signal that arrived earlier is returned at once. Pass the error on with `?`: it ends
    /// the attempt without counting it, and the job runs again when the signal has arrived.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tidemill::{Context, JobError};
    /// async fn publish(context: Context) -> Result<&'static str, JobError> {
    ///     let day = Duration::from_secs(24 * 60 * 60);
    ///     match context.signal::<bool>("approved", Some(day)).await? {
    ///         Some(true) => Ok("published"),
    ///         Some(false) => Err(JobError::permanent("it was not approved")),
    ///         None => Err(JobError::permanent("nobody approved it within a day")),
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    /// While it waits, when the database fails, and for a payload that is not a `T`.
    pub async fn signal<T: DeserializeOwned>(
        &self,
        name: &str,
        timeout: Option<Duration>,
    ) -> Result<Option<T>, JobError> {
        let store = self.store()?;
        let signals = self.answered("signals", || store.signals(self.job_id())).await?;
        match signals.into_iter().find(|signal| signal.name == name) {
            Some(signal) if signal.timed_out => Ok(None),
            Some(signal) => read(name, signal.payload.unwrap_or_default()).map(Some),
            None => {
                let timeout_seconds = timeout.map(|timeout| timeout.as_secs_f64());
                Err(JobError::wait(Wait::Signal { signal: checked(name)?.to_owned(), timeout_seconds }))
            }
        }
    }

    /// The stored state of the job, for handlers in other languages: the outputs of its steps by name, and
    /// the payloads of its signals (null for a signal that timed out).
    ///
    /// # Errors
    /// When the database fails.
    pub async fn remembered(&self) -> Result<(Map<String, Value>, Map<String, Value>), JobError> {
        let steps = self.steps().of(self).await?.clone().into_iter().collect();
        let signals = match self.stored() {
            Some(store) => self.answered("signals", || store.signals(self.job_id())).await?,
            None => Vec::new(),
        };
        let signals = signals.into_iter().map(|signal| (signal.name, signal.payload.unwrap_or_default()));
        Ok((steps, signals.collect()))
    }

    async fn save(&self, name: &str, output: Value, replace: bool) -> Result<Value, JobError> {
        let name = checked(name)?;
        let kept = match self.stored() {
            None => output,
            Some(store) => {
                // Its event must come after earlier reports.
                self.flush().await;
                let save = || store.save_step(self.lease(), name, &output, replace);
                let kept = self.answered("step", save).await?;
                kept.ok_or_else(JobError::lost)?
            }
        };
        self.steps().of(self).await?.insert(name.to_owned(), kept.clone());
        Ok(kept)
    }
}

fn checked(name: &str) -> Result<&str, JobError> {
    if (1..=PART_NAME_CHARACTERS).contains(&name.chars().count()) && !name.contains('\0') {
        return Ok(name);
    }
    Err(JobError::permanent(format!("the name {name:?} must have 1 to {PART_NAME_CHARACTERS} characters"))
        .class("bad_step"))
}

fn write<T: Serialize>(name: &str, value: &T) -> Result<Value, JobError> {
    let refuse =
        |why: String| Err(JobError::permanent(format!("step {name}: its output {why}")).class("bad_step"));
    match serde_json::to_value(value).map(storable_json) {
        Err(error) => refuse(format!("cannot be written as JSON: {error}")),
        Ok(value) => match value.to_string().len() {
            size if size > STEP_OUTPUT_BYTES => refuse(format!(
                "has {size} bytes; at most {STEP_OUTPUT_BYTES} are allowed; store it elsewhere"
            )),
            _ => Ok(value),
        },
    }
}

fn read<T: DeserializeOwned>(name: &str, output: Value) -> Result<T, JobError> {
    serde_json::from_value(output).map_err(|error| {
        JobError::permanent(format!("the value stored as {name} does not fit the code: {error}"))
            .class("bad_step")
    })
}
