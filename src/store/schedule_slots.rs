//! The schedule slots: the queries and writes of schedulers. This process computes when a slot
//! falls due; the database decides, on the schedule's locked row, that it is due and that it fires
//! once.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::db::lossy_json::Readable;
use super::words::{Words, words};
use super::{Result, Store};
use crate::job::schedule::{Missed, Plan, Times, Timing};

/// The number of future slots stored for people.
const UPCOMING: usize = 5;
/// The most schedules per poll; the next poll takes the rest.
const AT_ONCE: i64 = 500;

/// A schedule that needs attention.
#[derive(Debug, Clone)]
pub struct Pending {
    /// Its name.
    pub name: String,
    times: Times,
    anchor_at: DateTime<Utc>,
    next_at: Option<DateTime<Utc>>,
    missed: Missed,
    now: DateTime<Utc>,
}

words! {
    /// What became of a slot.
    pub enum SlotOutcome, "the outcome of a slot" {
        /// Its job is enqueued.
        Enqueued = "enqueued",
        /// It has no job: an earlier one is unfinished, or its job was refused.
        Skipped = "skipped",
        /// It waits for the end of an earlier job.
        Held = "held",
        /// No scheduler polled in time.
        Missed = "missed",
        /// It fired before.
        Repeated = "repeated",
    }
}

words! {
    /// The rule for slots at which no scheduler polled, as it is stored; [`Missed`] has the limit as well.
    pub enum MissedPolicy, "the rule for missed slots" {
        /// None of them fires.
        Skip = "skip",
        /// The latest of them fires.
        One = "one",
        /// The latest of them fire, up to a limit.
        All = "all",
    }
}

/// The outcome of a slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fired {
    /// The slot.
    pub slot: DateTime<Utc>,
    /// What became of it.
    pub outcome: SlotOutcome,
}

impl Store {
    /// The schedules with slots that must be computed or are due.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn pending_schedules(&self) -> Result<Vec<Pending>> {
        self.pending(None).await
    }

    /// Computes the slots of a schedule that has none, if they can be.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn compute_schedule(&self, name: &str) -> Result<()> {
        for pending in self.pending(Some(name)).await? {
            self.advance_schedule(&pending).await?;
        }
        Ok(())
    }

    /// All schedules that need attention, or one schedule if its slots must be computed.
    async fn pending(&self, only: Option<&str>) -> Result<Vec<Pending>> {
        let rows = sqlx::query!(
            r#"
            select
              name,
              cron,
              (extract(epoch from every) * 1000000)::bigint as every_microseconds,
              at,
              timezone,
              anchor_at,
              next_at,
              missed,
              missed_limit,
              clock_timestamp() as "now!"
            from schedules
            where (next_at is null and problem is null and ($1::text is null or name = $1))
              or (next_at <= clock_timestamp() and paused_at is null and $1::text is null)
            order by next_at nulls first
            limit $2
            "#,
            only,
            AT_ONCE
        )
        .fetch_all(self.pool())
        .await?;
        let pending = rows.into_iter().map(|row| {
            Ok(Pending {
                times: Times {
                    cron: row.cron,
                    every: row.every_microseconds.map(TimeDelta::microseconds),
                    at: row.at,
                    timezone: row.timezone,
                },
                missed: match MissedPolicy::decode(&row.missed)? {
                    MissedPolicy::Skip => Missed::Skip,
                    MissedPolicy::One => Missed::One,
                    MissedPolicy::All => Missed::All(usize::try_from(row.missed_limit).unwrap_or(1)),
                },
                name: row.name,
                anchor_at: row.anchor_at,
                next_at: row.next_at,
                now: row.now,
            })
        });
        pending.collect()
    }

    /// Computes the slots of a schedule that has none, or fires those that are due; returns their outcomes.
    /// Stops if another scheduler was faster.
    ///
    /// # Errors
    /// When the database fails; slots that have not fired are still due.
    pub async fn advance_schedule(&self, pending: &Pending) -> Result<Vec<Fired>> {
        let timing = match Timing::read(&pending.times, pending.anchor_at) {
            Ok(timing) => timing,
            Err(unfit) => {
                self.plan_schedule(pending, None, &[], Some(&unfit.to_string())).await?;
                return Ok(Vec::new());
            }
        };
        let Some(first) = pending.next_at else {
            let upcoming = timing.upcoming(pending.now, UPCOMING);
            let problem = upcoming.is_empty().then(|| timing.nothing_ahead().to_string());
            let next_at = upcoming.first().copied();
            self.plan_schedule(pending, next_at, &upcoming, problem.as_deref()).await?;
            return Ok(Vec::new());
        };
        let plan = Plan::of(&timing, first, pending.now, pending.missed);
        let mut fired = Vec::new();
        let mut steps: Vec<(DateTime<Utc>, bool)> = plan.fire.iter().map(|slot| (*slot, false)).collect();
        if plan.passes_over {
            steps.insert(0, (first, true));
        }
        for (at, &(slot, is_missed)) in steps.iter().enumerate() {
            let next = steps.get(at + 1).map(|step| step.0).or(plan.next);
            let Some(outcome) = self.fire(&pending.name, &timing, slot, next, is_missed).await? else {
                break;
            };
            fired.push(Fired { slot, outcome });
        }
        Ok(fired)
    }

    /// The schedules with a held slot whose earlier job has finished.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn releasable_schedules(&self) -> Result<Vec<String>> {
        Ok(sqlx::query_scalar!(r#"select schedule as "schedule!" from held_slots() where is_ready"#)
            .fetch_all(self.pool())
            .await?)
    }

    /// Enqueues the held slot of a schedule if the earlier job has finished; returns the outcome, `None` if
    /// it must still wait.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn release_slot(&self, schedule: &str) -> Result<Option<SlotOutcome>> {
        let sealed = self.sealed_for(schedule).await?;
        let word = sqlx::query_scalar!("select release_slot($1, $2)", schedule, sealed as Option<Value>)
            .fetch_one(self.pool())
            .await?;
        SlotOutcome::decode_some(word)
    }

    async fn plan_schedule(
        &self,
        pending: &Pending,
        next_at: Option<DateTime<Utc>>,
        upcoming: &[DateTime<Utc>],
        problem: Option<&str>,
    ) -> Result<()> {
        // Only for the times that were read: they may have been changed meanwhile.
        sqlx::query!(
            r#"
            update schedules
            set next_at = $6, upcoming = $7, problem = $8
            where name = $1
              and next_at is not distinct from $9
              and cron is not distinct from $2
              and at is not distinct from $3
              and timezone = $4
              and anchor_at = $5
            "#,
            pending.name,
            pending.times.cron.as_deref() as Option<&str>,
            pending.times.at as Option<DateTime<Utc>>,
            pending.times.timezone,
            pending.anchor_at,
            next_at as Option<DateTime<Utc>>,
            upcoming,
            problem as Option<&str>,
            pending.next_at as Option<DateTime<Utc>>,
        )
        .execute(self.pool())
        .await?;
        Ok(())
    }

    async fn fire(
        &self,
        name: &str,
        timing: &Timing,
        slot: DateTime<Utc>,
        next: Option<DateTime<Utc>>,
        is_missed: bool,
    ) -> Result<Option<SlotOutcome>> {
        let missed = is_missed.then(|| match next {
            Some(next) => {
                format!(
                    "no scheduler polled in time for this slot and the following ones before {}",
                    next.to_rfc3339()
                )
            }
            None => "no scheduler polled in time".into(),
        });
        let mut upcoming: Vec<_> = next.into_iter().collect();
        upcoming.extend(next.iter().flat_map(|next| timing.upcoming(*next, UPCOMING - 1)));
        let word = sqlx::query_scalar!(
            "select fire_schedule($1, $2, $3, $4, $5, $6)",
            name,
            slot,
            next as Option<DateTime<Utc>>,
            &upcoming,
            missed as Option<String>,
            self.sealed_for(name).await? as Option<Value>,
        )
        .fetch_one(self.pool())
        .await?;
        SlotOutcome::decode_some(word)
    }

    /// The args of a schedule's job in stored form, if they are encrypted; the schedule keeps them
    /// unencrypted, because keys are derived from them at each firing.
    pub(super) async fn sealed_for(&self, schedule: &str) -> Result<Option<Value>> {
        if self.vault().keyring.is_empty() {
            return Ok(None);
        }
        let found = sqlx::query!(
            r#"
            select
              job -> 'args' as "args!: Readable",
              md5((job -> 'args')::text) as "hash!"
            from schedules
            where name = $1
              and jsonb_typeof(job -> 'args') = 'object'
              and not job ? 'sealed'
            "#,
            schedule
        )
        .fetch_optional(self.pool())
        .await?;
        let Some(found) = found else { return Ok(None) };
        let Value::Object(args) = Value::from(found.args) else { return Ok(None) };
        Ok(self.seal_args(&args)?.map(|sealed| json!({ "of": found.hash, "as": sealed })))
    }
}
