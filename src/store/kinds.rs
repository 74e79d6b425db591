//! Kinds: the rules that workers register for a kind, so that enqueueing, retries and the sweep
//! follow the same rules everywhere.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Result, Store};
use crate::job::document::{micros, micros_or_null};
use crate::job::settings::KindSettings;

/// A kind and the source of its code.
#[derive(Debug, Clone)]
pub struct KindRow {
    pub name: String,
    /// command, url, rust or remote.
    pub source: &'static str,
    /// `None` leaves the stored rules unchanged.
    pub settings: Option<KindSettings>,
}

/// A kind as shown to people.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct KindDocument {
    /// Its name.
    pub name: String,
    /// command, url, rust or remote.
    pub source: String,
    /// The default queue of its jobs.
    pub queue: String,
    /// The default priority of its jobs.
    pub priority: i16,
    /// The default number of attempts of its jobs.
    pub max_attempts: i32,
    /// Seconds after which an attempt is asked to stop.
    pub soft_timeout_seconds: Option<f64>,
    /// Seconds after which an attempt is ended.
    pub hard_timeout_seconds: f64,
    /// Classes of errors after which no further attempt is made.
    pub permanent_errors: Vec<String>,
    /// The number of crashes that opens its circuit breaker; null: no breaker.
    pub breaker_after: Option<i32>,
    /// The present count of crashes.
    pub breaker_crashes: i32,
    /// The time until which the breaker is open; null while it is closed.
    #[serde(serialize_with = "micros_or_null")]
    pub breaker_open_until: Option<DateTime<Utc>>,
    /// The time when a worker last registered the kind.
    #[serde(serialize_with = "micros")]
    pub last_seen_at: DateTime<Utc>,
}

impl Store {
    /// The kinds that workers serve or once served, by name; at most the 1,000 most recently seen.
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
              permanent_errors,
              breaker_after,
              case when greatest(breaker_crashed_at, breaker_open_until) > now() - breaker_window then breaker_crashes else 0 end
                as "breaker_crashes!",
              case when breaker_open_until > now() then breaker_open_until end as breaker_open_until,
              last_seen_at
            from (select * from kinds order by last_seen_at desc, name limit 1000) seen_last
            order by name
            "#
        )
        .fetch_all(self.pool())
        .await?)
    }

    /// One kind; `None` if no worker ever served it.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn kind(&self, name: &str) -> Result<Option<KindDocument>> {
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
              permanent_errors,
              breaker_after,
              case when greatest(breaker_crashed_at, breaker_open_until) > now() - breaker_window then breaker_crashes else 0 end
                as "breaker_crashes!",
              case when breaker_open_until > now() then breaker_open_until end as breaker_open_until,
              last_seen_at
            from kinds
            where name = $1
            "#,
            name
        )
        .fetch_optional(self.pool())
        .await?)
    }

    /// Sets the rules of a kind that remote workers run; returns the source of one that they do not, whose rules stay.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn set_remote_kind(&self, name: &str, settings: &KindSettings) -> Result<Option<String>> {
        let source =
            sqlx::query_scalar!("select source from kinds where name = $1 and source <> 'remote'", name)
                .fetch_optional(self.pool())
                .await?;
        if source.is_none() {
            let row = KindRow { name: name.to_owned(), source: "remote", settings: Some(settings.clone()) };
            self.see_kind(&row).await?;
        }
        Ok(source)
    }

    /// Resets the breaker of a kind, so that its jobs start again; false if there is no such kind.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn reset_breaker(&self, name: &str) -> Result<bool> {
        let mut acting = self.acting().await?;
        let answer = sqlx::query_scalar!(r#"select reset_breaker($1) as "found!""#, name)
            .fetch_one(acting.connection())
            .await?;
        acting.commit().await?;
        Ok(answer)
    }

    /// Records that remote workers serve these kinds, at most once a minute. The rules of a known kind stay
    /// unchanged.
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

    /// Registers a kind with the rules of this process.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn see_kind(&self, kind: &KindRow) -> Result<()> {
        match &kind.settings {
            None => self.see_kind_alone(kind).await,
            Some(settings) => self.see_kind_with(kind, settings).await,
        }
    }

    /// The stored rules stay unchanged.
    async fn see_kind_alone(&self, kind: &KindRow) -> Result<()> {
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
        Ok(())
    }

    async fn see_kind_with(&self, kind: &KindRow, settings: &KindSettings) -> Result<()> {
        sqlx::query!(
            r#"
            insert into kinds (
              name, source, queue, priority, max_attempts, soft_timeout, hard_timeout, stop_grace,
              backoff_first, backoff_factor, backoff_max, backoff_jitter, retain, defaults, permanent_errors,
              breaker_after, breaker_window, breaker_pause)
            values (
              $1, $2, $3, $4, $5, make_interval(secs => $6), make_interval(secs => $7), make_interval(secs => $8),
              make_interval(secs => $9), $10, make_interval(secs => $11), $12, make_interval(secs => $13), $14, $15,
              $16, make_interval(secs => $17), make_interval(secs => $18))
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
              permanent_errors = excluded.permanent_errors,
              -- Its crashes stay counted.
              breaker_after = excluded.breaker_after,
              breaker_window = excluded.breaker_window,
              breaker_pause = excluded.breaker_pause,
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
            &settings.permanent_errors,
            settings.breaker.map(|breaker| breaker.after),
            settings.breaker.map_or(600.0, |breaker| breaker.window.as_secs_f64()),
            settings.breaker.map_or(60.0, |breaker| breaker.pause.as_secs_f64()),
        )
        .execute(self.pool())
        .await?;
        Ok(())
    }
}
