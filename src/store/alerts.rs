//! Alerts: their rules, the alerts themselves, and notices that are still to be delivered. Uses the
//! SQL functions that people call from psql; those evaluate the rules.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use sqlx::postgres::types::PgInterval;
use utoipa::ToSchema;
use uuid::Uuid;

use super::db::lossy_json::Details;
use super::{Result, Store};
use crate::job::alert::AlertRule;
use crate::job::document::{micros, micros_or_null};

/// A rule as people see it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct AlertRuleDocument {
    /// Its name.
    pub name: String,
    /// The measured condition.
    pub condition: String,
    /// The threshold.
    pub above: f64,
    /// Only jobs of this kind.
    pub kind: Option<String>,
    /// Only this queue.
    pub queue: Option<String>,
    /// The fewest attempts in the window for a value to count.
    pub at_least: i32,
    /// The window of rates and averages, in seconds.
    pub over_seconds: f64,
    /// How long the value must be above the threshold before the rule fires, and below it before it is
    /// resolved.
    pub hold_seconds: f64,
    /// The URL that is called; a key without the scope `admin` sees only its scheme and host, because the
    /// rest may be a token.
    pub webhook: Option<String>,
    /// The email addresses.
    pub email: Vec<String>,
    /// True if a config names it.
    pub from_config: bool,
    /// The deployment whose config wrote it; null if none did.
    pub owner: Option<String>,
    /// When it was last changed.
    #[serde(serialize_with = "micros")]
    pub updated_at: DateTime<Utc>,
}

/// An alert of a rule.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct AlertDocument {
    /// Its id.
    pub id: Uuid,
    /// The rule.
    pub rule: String,
    /// The subject: `kind:NAME`, `queue:NAME`, `workers`, `jobs` or `database`.
    pub subject: String,
    /// `pending` (not above the threshold for long enough yet), `firing` or `resolved`.
    pub state: String,
    /// The last value above the threshold.
    pub value: f64,
    /// The threshold of the rule.
    pub above: f64,
    /// The description in words.
    pub message: String,
    /// The time since which the value is, or was, above the threshold.
    #[serde(serialize_with = "micros")]
    pub since: DateTime<Utc>,
    /// The time when it fired.
    #[serde(serialize_with = "micros_or_null")]
    pub fired_at: Option<DateTime<Utc>>,
    /// The time when it was resolved.
    #[serde(serialize_with = "micros_or_null")]
    pub resolved_at: Option<DateTime<Utc>>,
    /// The number of deliveries still to be made.
    pub undelivered: i64,
    /// The error of one of them.
    pub last_error: Option<String>,
}

/// A notice that this process delivers now.
#[derive(Debug, Clone)]
pub struct Notice {
    /// Its id, the same at each try.
    pub id: Uuid,
    /// fired or resolved.
    pub event: String,
    /// log, webhook or email.
    pub channel: String,
    /// The address.
    pub target: String,
    /// The number of the try.
    pub attempts: i32,
    /// The alert.
    pub alert: Value,
}

/// What a round of the alert rules did.
#[derive(Debug, Clone, Copy)]
pub struct Evaluation {
    /// False if another process evaluates them now.
    pub done: bool,
    /// [`Store::take_notices`] may find something.
    pub has_notices: bool,
}

impl Store {
    /// Creates or replaces a rule.
    ///
    /// # Errors
    /// When the database fails or refuses a value.
    pub async fn set_alert(&self, name: &str, rule: &AlertRule, owner: Option<&str>) -> Result<()> {
        let interval = |duration: Duration| PgInterval {
            months: 0,
            days: 0,
            microseconds: i64::try_from(duration.as_micros()).unwrap_or(i64::MAX),
        };
        let mut acting = self.acting().await?;
        sqlx::query!(
            "select set_alert($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
            name,
            rule.condition.word(),
            rule.above,
            rule.kind.as_deref(),
            rule.queue.as_deref(),
            rule.at_least,
            interval(rule.over),
            interval(rule.hold),
            rule.webhook.as_deref(),
            &rule.email,
            owner.is_some(),
            owner as Option<&str>,
        )
        .execute(acting.connection())
        .await?;
        acting.commit().await?;
        Ok(())
    }

    /// Removes a rule; false if there is none of that name.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn drop_alert(&self, name: &str) -> Result<bool> {
        let mut acting = self.acting().await?;
        let dropped = sqlx::query_scalar!(r#"select drop_alert($1) as "dropped!""#, name)
            .fetch_one(acting.connection())
            .await?;
        acting.commit().await?;
        Ok(dropped)
    }

    /// Sends a notice to the addresses of a rule that says that it is a test; false if there is no rule of that
    /// name.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn test_alert(&self, name: &str) -> Result<bool> {
        let mut acting = self.acting().await?;
        let made = sqlx::query_scalar!("select test_alert($1)", name).fetch_one(acting.connection()).await?;
        acting.commit().await?;
        Ok(made.is_some())
    }

    /// Deletes rules from the config of the deployment `owner` that it no longer contains; returns their
    /// names.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn keep_config_alerts(&self, names: &[String], owner: &str) -> Result<Vec<String>> {
        Ok(sqlx::query_scalar!(r#"select keep_config_alerts($1, $2) as "name!""#, names, owner)
            .fetch_all(self.pool())
            .await?)
    }

    /// All rules, or the one of that name; with `whole`, their webhooks are shown with possible tokens.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn alert_rules(&self, name: Option<&str>, whole: bool) -> Result<Vec<AlertRuleDocument>> {
        Ok(sqlx::query_as!(
            AlertRuleDocument,
            r#"
            select
              name,
              condition,
              above,
              kind,
              queue,
              at_least,
              extract(epoch from over)::double precision as "over_seconds!",
              extract(epoch from hold)::double precision as "hold_seconds!",
              case when $2 then webhook else redact_address(webhook) end as webhook,
              email,
              from_config,
              owner,
              updated_at
            from alert_rules
            where $1::text is null
              or name = $1
            order by name
            "#,
            name,
            whole
        )
        .fetch_all(self.pool())
        .await?)
    }

    /// The alerts, newest first; `open` alerts are unresolved.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn alerts(&self, open: bool, rule: Option<&str>, limit: i64) -> Result<Vec<AlertDocument>> {
        Ok(sqlx::query_as!(
            AlertDocument,
            r#"
            select
              id as "id!",
              rule as "rule!",
              subject as "subject!",
              state as "state!",
              value as "value!",
              above as "above!",
              message as "message!",
              since as "since!",
              fired_at,
              resolved_at,
              undelivered as "undelivered!",
              last_error
            from alert_log
            where (not $1 or resolved_at is null)
              and ($2::text is null or rule = $2)
            order by since desc, id desc
            limit $3
            "#,
            open,
            rule,
            limit
        )
        .fetch_all(self.pool())
        .await?)
    }

    /// The number of firing alerts of each rule.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn alerts_firing(&self) -> Result<Vec<(String, i64)>> {
        let rows = sqlx::query!(
            r#"
            select
              r.name,
              (select count(*) from alerts a where a.rule = r.name and a.fired_at is not null and a.resolved_at is null) as "firing!"
            from alert_rules r
            order by r.name
            "#
        )
        .fetch_all(self.pool())
        .await?;
        Ok(rows.into_iter().map(|row| (row.name, row.firing)).collect())
    }

    /// Evaluates all rules; false if another process does. The argument is the time that the database took
    /// to answer.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn evaluate_alerts(&self, latency: Option<Duration>) -> Result<Evaluation> {
        let latency_seconds = latency.map(|latency| latency.as_secs_f64());
        let row = sqlx::query!(
            r#"
            select
              e.done as "done!",
              has_notices() as "has_notices!"
            from evaluate_alerts($1) as e (done)
            "#,
            latency_seconds
        );
        let row = row.fetch_one(self.pool()).await?;
        Ok(Evaluation { done: row.done, has_notices: row.has_notices })
    }

    /// Takes due notices, to be delivered within half a minute.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn take_notices(&self, limit: i32) -> Result<Vec<Notice>> {
        Ok(sqlx::query_as!(
            Notice,
            r#"
            select
              id as "id!",
              event as "event!",
              channel as "channel!",
              target as "target!",
              attempts as "attempts!",
              alert as "alert!: Details"
            from take_notices($1)
            "#,
            limit
        )
        .fetch_all(self.writes())
        .await?)
    }

    /// Marks a notice as delivered, or records why the delivery failed.
    ///
    /// # Errors
    /// When the database fails; then the notice is delivered again.
    pub async fn notice_sent(&self, id: Uuid, error: Option<&str>) -> Result<()> {
        sqlx::query!("select notice_sent($1, $2)", id, error).execute(self.writes()).await?;
        Ok(())
    }
}
