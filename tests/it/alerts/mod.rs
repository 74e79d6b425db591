//! Alerts: each fires once and is resolved once, whichever process does the maintenance; receivers learn of it even if
//! the receiver or the sender dies in between.

mod conditions;
mod delivery;
mod rest;

use std::sync::Arc;
use std::time::Duration;

use tidemill::maintenance;
use tidemill::maintenance::MaintenanceSettings;
use tidemill::outbound::{ChannelSettings, Channels};
use tidemill::store::db::notifier::Notifier;
use tidemill::{AlertRule, Condition, Store};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::support::Db;

/// A rule without a hold.
fn rule(condition: Condition, above: f64) -> AlertRule {
    AlertRule { hold: Duration::ZERO, ..AlertRule::new(condition, above) }
}

/// How the receivers of these tests are reached.
fn channels(smtp_url: Option<String>) -> ChannelSettings {
    ChannelSettings {
        secret: Some("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".into()),
        allow_private: true,
        proxy: tidemill::outbound::ProxySettings::default(),
        smtp_url,
        from: "Tidemill <tidemill@example.org>".into(),
    }
}

/// A process that does the maintenance, with short intervals, until the guard is dropped.
fn keep(db: &Db, settings: &ChannelSettings) -> DropGuard {
    keep_in(db.another_store(), settings)
}

fn keep_in(store: Store, settings: &ChannelSettings) -> DropGuard {
    let stop = CancellationToken::new();
    let settings = MaintenanceSettings {
        alerts: Duration::from_millis(50),
        channels: Some(Arc::new(Channels::new(settings).unwrap())),
        ..MaintenanceSettings::default()
    };
    let wakes = store.listen(stop.clone());
    tokio::spawn(maintenance::run(store, Notifier::default(), Arc::default(), wakes, settings, stop.clone()));
    stop.drop_guard()
}

/// Alerts as (subject, state), in the order in which they began.
async fn found(db: &Db) -> Vec<(String, String)> {
    db.rows("select subject, state from alert_log order by since, subject").await
}

/// Counts attempts of a kind in this minute.
async fn attempts(db: &Db, kind: &str, outcome: &str, jobs: i64, ran: &str) {
    db.execute(format!(
        "insert into stats_deltas (queue, kind, outcome, jobs, ran) values ('default', '{kind}', '{outcome}', {jobs}, '{ran}')"
    ))
    .await;
}
