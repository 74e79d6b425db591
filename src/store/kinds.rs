//! Kinds: what the workers that serve a kind say of it, so that enqueueing, retries and the sweep
//! follow the same rules everywhere.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Result, Store};
use crate::job::document::micros;
use crate::job::settings::KindSettings;

/// A kind and where its code comes from.
#[derive(Debug, Clone)]
pub struct KindRow {
    pub name: String,
    /// command, url, rust or remote.
    pub source: &'static str,
    /// `None` leaves the rules that are stored as they are.
    pub settings: Option<KindSettings>,
}

/// A kind as people see it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct KindDocument {
    /// Its name.
    pub name: String,
    /// command, url, rust or remote.
    pub source: String,
    /// Where its jobs go unless they say otherwise.
    pub queue: String,
    /// Priority of its jobs unless they say otherwise.
    pub priority: i16,
    /// Attempts of its jobs unless they say otherwise.
    pub max_attempts: i32,
    /// After so many seconds an attempt is asked to stop.
    pub soft_timeout_seconds: Option<f64>,
    /// After so many seconds an attempt is ended.
    pub hard_timeout_seconds: f64,
    /// When a worker last said that it serves the kind.
    #[serde(serialize_with = "micros")]
    pub last_seen_at: DateTime<Utc>,
}

impl Store {
    /// All kinds that a worker ever served, by name, at most 1,000.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn kinds(&self) -> Result<Vec<KindDocument>> {
        Ok(sqlx::query_as!(
            KindDocument,
            r#"
            select
              name,
              source,
              queue,
              priority,
              max_attempts,
              extract(epoch from soft_timeout)::double precision as soft_timeout_seconds,
              extract(epoch from hard_timeout)::double precision as "hard_timeout_seconds!",
              last_seen_at
            from kinds
            order by name
            limit 1000
            "#
        )
        .fetch_all(self.pool())
        .await?)
    }

    /// Notes that remote workers serve these kinds; within a minute of the last time it writes nothing.
    /// The rules of a kind that is known stay as they are.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn see_remote_kinds(&self, names: &[String]) -> Result<()> {
        sqlx::query!(
            r#"
            insert into kinds as k (name, source)
            select distinct name, 'remote'
            from unnest($1::text[]) as n (name)
            order by name
            on conflict (name) do update
            set last_seen_at = clock_timestamp()
            where k.last_seen_at < now() - interval '1 minute'
            "#,
            names
        )
        .execute(self.pool())
        .await?;
        Ok(())
    }

    /// Writes what this process knows of a kind.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn see_kind(&self, kind: &KindRow) -> Result<()> {
        let Some(settings) = &kind.settings else {
            sqlx::query!(
                r#"
                insert into kinds (name, source)
                values ($1, $2)
                on conflict (name) do update
                set last_seen_at = clock_timestamp()
                "#,
                kind.name,
                kind.source
            )
            .execute(self.pool())
            .await?;
            return Ok(());
        };
        sqlx::query!(
            r#"
            insert into kinds (
              name, source, queue, priority, max_attempts, soft_timeout, hard_timeout, stop_grace,
              backoff_first, backoff_factor, backoff_max, backoff_jitter, retain, defaults)
            values (
              $1, $2, $3, $4, $5, make_interval(secs => $6), make_interval(secs => $7), make_interval(secs => $8),
              make_interval(secs => $9), $10, make_interval(secs => $11), $12, make_interval(secs => $13), $14)
            on conflict (name) do update
            set
              source = excluded.source,
              queue = excluded.queue,
              priority = excluded.priority,
              max_attempts = excluded.max_attempts,
              soft_timeout = excluded.soft_timeout,
              hard_timeout = excluded.hard_timeout,
              stop_grace = excluded.stop_grace,
              backoff_first = excluded.backoff_first,
              backoff_factor = excluded.backoff_factor,
              backoff_max = excluded.backoff_max,
              backoff_jitter = excluded.backoff_jitter,
              retain = excluded.retain,
              defaults = excluded.defaults,
              last_seen_at = clock_timestamp()
            "#,
            kind.name,
            kind.source,
            settings.queue,
            settings.priority,
            settings.max_attempts,
            settings.soft_timeout.map(|timeout| timeout.as_secs_f64()),
            settings.hard_timeout.as_secs_f64(),
            settings.stop_grace.as_secs_f64(),
            settings.backoff.first.as_secs_f64(),
            settings.backoff.factor,
            settings.backoff.max.as_secs_f64(),
            settings.backoff.jitter,
            settings.retain.map(|retain| retain.as_secs_f64()),
            settings.defaults.options(),
        )
        .execute(self.pool())
        .await?;
        Ok(())
    }
}
