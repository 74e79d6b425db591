//! Kinds: what the workers that serve a kind say of it, so that enqueueing, retries and the sweep
//! follow the same rules everywhere.

use super::{Result, Store};
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

impl Store {
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
              backoff_first, backoff_factor, backoff_max, backoff_jitter, retain)
            values (
              $1, $2, $3, $4, $5, make_interval(secs => $6), make_interval(secs => $7), make_interval(secs => $8),
              make_interval(secs => $9), $10, make_interval(secs => $11), $12, make_interval(secs => $13))
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
        )
        .execute(self.pool())
        .await?;
        Ok(())
    }
}
