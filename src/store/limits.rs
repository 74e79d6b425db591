//! Limits: the number of jobs that may run or start, over all workers. Uses the SQL functions that
//! people call from psql; only the claim under limits counts.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Result, Store};
use crate::job::document::micros;
use crate::job::limit::{LimitSettings, OnFull, Rate};

/// One limit as shown to people.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct LimitDocument {
    /// `queue:NAME` for a queue; otherwise the part of concurrency keys before the colon.
    pub name: String,
    /// The most jobs that run at once per key.
    pub max_running: Option<i32>,
    /// The most jobs that start in each period, on average.
    pub rate: Option<i32>,
    /// The period, in seconds.
    pub per_seconds: Option<f64>,
    /// The most jobs that start at one moment after an idle time.
    pub burst: Option<i32>,
    /// `queue`, `cancel_newest` or `cancel_oldest`.
    pub on_full: String,
    /// The time of the last change.
    #[serde(serialize_with = "micros")]
    pub updated_at: DateTime<Utc>,
}

impl LimitDocument {
    /// Its values.
    #[must_use]
    pub fn into_settings(self) -> LimitSettings {
        let rate = self.rate.zip(self.per_seconds).map(|(count, seconds)| Rate {
            count,
            period: Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX),
            burst: self.burst,
        });
        let on_full = OnFull::of(&self.on_full);
        LimitSettings { max_running: self.max_running, rate, on_full }
    }
}

impl Store {
    /// All limits after a name, in order, at most `most`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn limits(&self, behind: &str, most: i64) -> Result<Vec<LimitDocument>> {
        self.find_limits(None, behind, most).await
    }

    /// One limit.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn limit(&self, name: &str) -> Result<Option<LimitDocument>> {
        Ok(self.find_limits(Some(name), "", 1).await?.pop())
    }

    async fn find_limits(&self, name: Option<&str>, behind: &str, most: i64) -> Result<Vec<LimitDocument>> {
        Ok(sqlx::query_as!(
            LimitDocument,
            r#"
            select
              name,
              max_running,
              rate,
              extract(epoch from rate_period)::double precision as per_seconds,
              burst,
              on_full,
              updated_at
            from limits
            where ($1::text is null or name = $1)
              and name > $2
            order by name
            limit $3
            "#,
            name,
            behind,
            most
        )
        .fetch_all(self.pool())
        .await?)
    }

    /// Sets a limit, replacing an earlier one. Without a number and a rate it is deleted.
    ///
    /// # Errors
    /// When the database fails or refuses a value.
    pub async fn set_limit(&self, name: &str, settings: &LimitSettings) -> Result<()> {
        if settings.max_running.is_none() && settings.rate.is_none() {
            self.drop_limit(name).await?;
            return Ok(());
        }
        let mut acting = self.acting().await?;
        sqlx::query!(
            "select set_limit($1, $2, $3, make_interval(secs => $4), $5, $6)",
            name,
            settings.max_running,
            settings.rate.map(|rate| rate.count),
            settings.rate.map(|rate| rate.period.as_secs_f64()),
            settings.rate.and_then(|rate| rate.burst),
            settings.on_full.unwrap_or(OnFull::Queue).word(),
        )
        .execute(acting.connection())
        .await?;
        acting.commit().await?;
        Ok(())
    }

    /// Deletes a limit; false if there is none of that name.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn drop_limit(&self, name: &str) -> Result<bool> {
        let mut acting = self.acting().await?;
        let answer = sqlx::query_scalar!(r#"select drop_limit($1) as "dropped!""#, name)
            .fetch_one(acting.connection())
            .await?;
        acting.commit().await?;
        Ok(answer)
    }

    /// Sets the waiting time after which a due job of a queue is claimed as if its priority were one
    /// better.
    ///
    /// # Errors
    /// When the database fails or refuses the value.
    pub async fn set_priority_ageing(&self, queue: &str, ageing: Option<Duration>) -> Result<()> {
        let mut acting = self.acting().await?;
        sqlx::query!(
            "select set_priority_ageing($1, make_interval(secs => $2))",
            queue,
            ageing.map(|ageing| ageing.as_secs_f64()),
        )
        .execute(acting.connection())
        .await?;
        acting.commit().await?;
        Ok(())
    }
}
