//! The settings of alerts: the rules and their delivery. Must refuse a rule that could never fire,
//! or whose condition is not clear.

use std::time::Duration;

use tidemill::job::alert::{AlertRule, Condition};
use tidemill_settings::proxies::ProxyChoice;
use tidemill_settings::section;
use tidemill_settings::section::Reader;
use tidemill_settings::types::{QueueName, Secret};
use tidemill_settings::value::Setting;

section! {
    /// How `dev` and `serve` evaluate and deliver alerts.
    AlertingSection {
        /// How often the rules are evaluated.
        every: Duration where "100ms"..="1h" = "15s";
        /// The key that signs webhooks (HMAC-SHA256, Standard Webhooks): `whsec_` and base64, or the key itself.
        /// Absent: they are not signed.
        secret: Option<Secret> = none;
        /// Whether webhooks may go to private and loopback addresses.
        allow_private: bool = "false";
        /// A proxy for webhooks, or `none`. Absent: `outbound.proxy`.
        proxy: Option<ProxyChoice> = none;
        /// The mail server: `smtps://user:password@host` (TLS), `smtp://host:587?tls=required` (STARTTLS) or `smtp://host` (plain).
        /// Absent: no mail is sent, and rules with email report an error.
        smtp_url: Option<Secret> = none;
        /// The sender of the mail.
        from: String = "tidemill@localhost";
    }
}

section! {
    /// An alert rule. `dev` and `serve` store their rules when they start; `deployment.revision` says when rules that
    /// are no longer in the config are removed. See `docs/alerts.md`.
    AlertKeys {
        /// The measured condition. Required.
        condition: Option<Condition> = none;
        /// The threshold that the value must exceed: a share (`error_rate`), seconds, jobs or bytes; for `no_worker`,
        /// this number of workers or fewer.
        above: f64 where "0"..="1e18" = "0";
        /// Only jobs of this kind. Absent: each kind separately.
        kind: Option<QueueName> = none;
        /// Only this queue. Absent: all.
        queue: Option<QueueName> = none;
        /// The fewest attempts in the window for a value to count.
        at_least: i32 where "1"..="1000000000" = "1";
        /// The window of `error_rate` and `average_time`.
        over: Duration where "1m"..="14d" = "15m";
        /// How long the value must be above the threshold before the rule fires, and back below it before the alert
        /// is resolved.
        hold: Duration where "0s"..="1d" = "1m";
        /// The URL that is called with POST when the rule fires and when it is resolved. Absent: none.
        webhook: Option<String> = none;
        /// The email addresses that are written to at the same times.
        email: Vec<String> = "[]";
    }
}

/// Reads the section of the rule `name`.
pub(super) fn read(reader: &mut Reader<'_>, name: &str) -> Option<AlertRule> {
    let keys: AlertKeys = reader.section(name);
    let Some(condition) = keys.condition else {
        let message = format!("is missing; allowed: {}", <Condition as Setting>::allowed());
        reader.report_here(&format!("{name}.condition"), message);
        return None;
    };
    let rule = AlertRule {
        condition,
        above: keys.above,
        kind: keys.kind.map(|kind| kind.0),
        queue: keys.queue.map(|queue| queue.0),
        at_least: keys.at_least,
        over: keys.over,
        hold: keys.hold,
        webhook: keys.webhook,
        email: keys.email,
    };
    if let Some((field, why)) = rule.misfit() {
        reader.report_here(&format!("{name}.{field}"), why.to_owned());
        return None;
    }
    Some(rule)
}
