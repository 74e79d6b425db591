//! Bulk: one action on all jobs that match a filter, in chunks of one transaction each. The SQL
//! function `act_on_jobs` has the filter and the actions.

use serde_json::Value;
use uuid::Uuid;

use crate::store::{Result, Store};

/// So many jobs are done in one transaction.
const CHUNK: i32 = 500;

/// What is to be done, and to which jobs.
#[derive(Debug, Clone)]
pub struct Bulk<'a> {
    /// `retry`, `cancel`, `run_now` or `delete`.
    pub verb: &'a str,
    /// As the SQL function `matching_jobs` takes it.
    pub filter: &'a Value,
    /// At most so many.
    pub limit: i32,
    /// Where jobs that are retried go, if not where they were.
    pub queue: Option<&'a str>,
    /// Who does it.
    pub by: &'a str,
}

/// What was done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Done {
    /// So many jobs were found, up to the limit.
    pub matched: i32,
    /// To so many it was done.
    pub done: i32,
    /// So many did not let it be done.
    pub refused: i32,
    /// The first of them, at most 20.
    pub sample: Vec<Uuid>,
}

impl Store {
    /// Looks what [`Store::act_on_jobs`] would find, and does nothing.
    ///
    /// # Errors
    /// When the database fails or refuses the filter.
    pub async fn count_jobs_to_act_on(&self, bulk: &Bulk<'_>) -> Result<Done> {
        Ok(self.chunk(bulk, bulk.limit, None, true).await?.0)
    }

    /// Does the verb to all jobs that the filter finds, up to the limit.
    ///
    /// # Errors
    /// When the database fails or refuses the filter; what was done before stays done.
    pub async fn act_on_jobs(&self, bulk: &Bulk<'_>) -> Result<Done> {
        let mut all = Done::default();
        let mut last = None;
        loop {
            let most = CHUNK.min(bulk.limit - all.matched);
            let (chunk, end) = self.chunk(bulk, most, last, false).await?;
            // Behind those that were refused, which would be found again.
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

    /// Acts on so many jobs behind `after`; answers the last of them, too.
    async fn chunk(
        &self,
        bulk: &Bulk<'_>,
        most: i32,
        after: Option<Uuid>,
        dry_run: bool,
    ) -> Result<(Done, Option<Uuid>)> {
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
        let done =
            Done { matched: chunk.matched, done: chunk.done, refused: chunk.refused, sample: chunk.sample };
        Ok((done, chunk.last))
    }
}
