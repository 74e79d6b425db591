//! The settings of alerts: the rules, and how those are told who are to know. Must refuse a rule that
//! could never fire or tell nobody what it means.

use std::time::Duration;

use super::routes::ProxyChoice;
use super::section::{Reader, section};
use super::types::{QueueName, Secret};
use super::value::Setting;
use tidemill::job::alert::{AlertRule, Condition};

section! {
    /// How alerts are measured and told, by `dev` and `serve`.
    AlertingSection {
        /// How often the rules are measured.
        every: Duration where "100ms"..="1h" = "15s";
        /// Signs webhooks (HMAC-SHA256, Standard Webhooks): `whsec_` and base64, or the key itself. Absent: they are not signed.
        secret: Option<Secret> = none;
        /// Whether webhooks may go to private and loopback addresses.
        allow_private: bool = "false";
        /// A proxy of its own for webhooks, or `none`. Absent: `outbound.proxy`.
        proxy: Option<ProxyChoice> = none;
        /// The mail server: `smtps://user:password@host` (TLS), `smtp://host:587?tls=required` (STARTTLS) or `smtp://host` (plain).
        /// Absent: no mail is sent, and rules that ask for some say so.
        smtp_url: Option<Secret> = none;
        /// Who the mail is from.
        from: String = "tidemill@localhost";
    }
}

section! {
    /// An alert rule. `dev` and `serve` write their rules when they start; `deployment.revision` says when those are
    /// removed that the config no longer has.
    /// `docs/alerts.md` says more.
    AlertKeys {
        /// What is measured. Needed.
        condition: Option<Condition> = none;
        /// It is too much above this: a share (`error_rate`), seconds, jobs or bytes; of `no_worker` so many workers are too few.
        above: f64 where "0"..="1e18" = "0";
        /// Only jobs of this kind. Absent: each kind by itself.
        kind: Option<QueueName> = none;
        /// Only this queue. Absent: all.
        queue: Option<QueueName> = none;
        /// Fewer attempts in the window say nothing.
        at_least: i32 where "1"..="1000000000" = "1";
        /// The window of `error_rate` and `average_time`.
        over: Duration where "1m"..="14d" = "15m";
        /// It fires when it was too much for so long, and is resolved when it was not for so long.
        hold: Duration where "0s"..="1d" = "1m";
        /// What is called with POST when it fires and when it is resolved. Absent: nothing.
        webhook: Option<String> = none;
        /// Who is written to then.
        email: Vec<String> = "[]";
    }
}

impl Setting for Condition {
    fn allowed() -> String {
        Self::ALL.iter().map(|(_, word)| *word).collect::<Vec<_>>().join(", ")
    }

    fn parse(text: &str) -> Option<Self> {
        Self::of(text)
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
