//! Bulk: one action on all jobs that match a filter, in chunks of one transaction each. The SQL
//! function `act_on_jobs` has the filter and the actions.

use serde_json::Value;
use uuid::Uuid;

use crate::store::{Result, Store};

/// The most jobs in one transaction.
const CHUNK: i32 = 500;

/// The action, and the jobs to act on.
#[derive(Debug, Clone)]
pub struct Bulk<'a> {
    /// `retry`, `cancel`, `run_now` or `delete`.
    pub verb: &'a str,
    /// The filter in the format of the SQL function `matching_jobs`.
    pub filter: &'a Value,
    /// The most jobs.
    pub limit: i32,
    /// The queue for retried jobs, if not their own.
    pub queue: Option<&'a str>,
    /// The author.
    pub by: &'a str,
}

/// The outcome.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BulkOutcome {
    /// The number of jobs found, up to the limit.
    pub matched: i32,
    /// The number of jobs changed.
    pub done: i32,
    /// The number of jobs to which the action no longer applied.
    pub refused: i32,
    /// The ids of the first of them, at most 20.
    pub sample: Vec<Uuid>,
}

impl Store {
    /// Counts the jobs that [`Store::act_on_jobs`] would find, and changes nothing.
    ///
    /// # Errors
    /// When the database fails or refuses the filter.
    pub async fn count_jobs_to_act_on(&self, bulk: &Bulk<'_>) -> Result<BulkOutcome> {
        Ok(self.chunk(bulk, bulk.limit, None, true).await?.0)
    }

    /// Applies the action to all jobs that match the filter, up to the limit.
    ///
    /// # Errors
    /// When the database fails or refuses the filter; earlier batches stay done.
    pub async fn act_on_jobs(&self, bulk: &Bulk<'_>) -> Result<BulkOutcome> {
        let mut all = BulkOutcome::default();
        let mut last = None;
        loop {
            let most = CHUNK.min(bulk.limit - all.matched);
            let (chunk, end) = self.chunk(bulk, most, last, false).await?;
            // After the refused jobs, which would be found again.
            last = end;
            all.matched += chunk.matched;
            all.done += chunk.done;
            all.refused += chunk.refused;
            if all.sample.is_empty() {
                all.sample = chunk.sample;
            }
            if chunk.matched < most || all.matched >= bulk.limit {
                return Ok(all);
            }
        }
    }

    /// Acts on this number of jobs after `after`; also returns the last of them.
    async fn chunk(
        &self,
        bulk: &Bulk<'_>,
        most: i32,
        after: Option<Uuid>,
        dry_run: bool,
    ) -> Result<(BulkOutcome, Option<Uuid>)> {
        let chunk = sqlx::query!(
            r#"
            select
              matched as "matched!",
              done as "done!",
              refused as "refused!",
              sample as "sample!",
              last
            from act_on_jobs($1, $2, $3, $4, $5, $6, $7)
            "#,
            bulk.verb,
            bulk.filter,
            most,
            dry_run,
            bulk.queue,
            bulk.by,
            after,
        )
        .fetch_one(self.pool())
        .await?;
        let done = BulkOutcome {
            matched: chunk.matched,
            done: chunk.done,
            refused: chunk.refused,
            sample: chunk.sample,
        };
        Ok((done, chunk.last))
    }
}
