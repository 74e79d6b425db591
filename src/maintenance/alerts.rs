//! The task that evaluates alert rules and delivers alerts. Any number of processes can run it: one process
//! at a time evaluates the rules, and each notice is delivered by the process that locked it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::outbound::Channels;
use crate::store::alerts::Notice;
use crate::store::{Result, Store};

/// The most notices delivered at once.
const AT_ONCE: i32 = 20;
/// A database that takes longer to answer counts as away.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The state of one process between two rounds.
pub(crate) struct Watch {
    channels: Option<Arc<Channels>>,
    away: Mutex<Option<Away>>,
}

/// The database is or was unreachable, and no row records that yet.
struct Away {
    since: Instant,
    /// The duration of the outage; `None` while it lasts.
    lasted: Option<Duration>,
}

impl Watch {
    pub(crate) fn new(channels: Option<Arc<Channels>>) -> Self {
        Self { channels, away: Mutex::default() }
    }

    /// Evaluates and delivers once; a failure is logged and left to the next round.
    pub(crate) async fn evaluate(&self, store: &Store) {
        let Some(latency) = self.latency(store).await else { return };
        let mut has_notices = true;
        match store.evaluate_alerts(Some(latency)).await {
            Ok(evaluation) => {
                has_notices = evaluation.has_notices;
                // Another process that evaluates may not know how long this one was cut off.
                if evaluation.done {
                    *self.away() = None;
                }
            }
            Err(error) => {
                // The database answers, but takes no writes.
                self.away().iter_mut().for_each(|away| away.lasted = None);
                tracing::warn!(%error, "alert rules could not be evaluated; the next round tries again");
            }
        }
        let Some(channels) = self.channels.as_ref().filter(|_| has_notices) else { return };
        if let Err(error) = deliver_all(store, channels).await {
            tracing::warn!(%error, "alerts could not be delivered; the next round tries again");
        }
    }

    /// How long the database took to answer, or was unreachable before; `None` while it is unreachable.
    async fn latency(&self, store: &Store) -> Option<Duration> {
        let began = Instant::now();
        let answered = matches!(tokio::time::timeout(TIMEOUT, store.ping()).await, Ok(Ok(())));
        let mut away = self.away();
        if answered {
            let lasted = |away: &mut Away| *away.lasted.get_or_insert_with(|| away.since.elapsed());
            return Some(away.as_mut().map_or_else(|| began.elapsed(), lasted));
        }
        if away.is_none() {
            // While the database is unreachable, no row can record this condition.
            tracing::error!("the database does not answer; alerts are delivered when it does");
        }
        away.get_or_insert(Away { since: began, lasted: None }).lasted = None;
        None
    }

    fn away(&self) -> MutexGuard<'_, Option<Away>> {
        self.away.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Delivers due notices until none is left.
async fn deliver_all(store: &Store, channels: &Channels) -> Result<()> {
    loop {
        let notices = store.take_notices(AT_ONCE).await?;
        if notices.is_empty() {
            return Ok(());
        }
        join_all(notices.iter().map(|notice| async {
            let delivered = deliver(notice, channels).await;
            if let Err(error) = &delivered {
                let (channel, tries) = (&notice.channel, notice.attempts);
                tracing::warn!(channel, tries, error, "an alert could not be delivered");
            }
            if let Err(error) = store.notice_sent(notice.id, delivered.err().as_deref()).await {
                tracing::warn!(
                    %error,
                    "an alert could not be marked as delivered; it may be delivered again"
                );
            }
        }))
        .await;
    }
}

async fn deliver(notice: &Notice, channels: &Channels) -> std::result::Result<(), String> {
    let word = |key: &str| notice.alert[key].as_str().unwrap_or_default();
    let (rule, subject, message) = (word("rule"), word("subject"), word("message"));
    match notice.channel.as_str() {
        "webhook" => channels.call(&notice.target, notice.id, &body(notice)).await,
        "email" => {
            let title = format!("[tidemill] {rule} {}: {subject}", notice.event);
            channels.mail(&notice.target, notice.id, &title, &letter(notice)).await
        }
        _ if notice.event == "fired" => {
            tracing::warn!(rule, subject, found = message, "an alert fires");
            Ok(())
        }
        _ => {
            tracing::info!(rule, subject, "an alert is resolved");
            Ok(())
        }
    }
}

/// The body of a webhook.
fn body(notice: &Notice) -> Value {
    json!({ "type": format!("alert.{}", notice.event), "alert": notice.alert })
}

/// The text of a mail.
fn letter(notice: &Notice) -> String {
    let line = |key: &str| match &notice.alert[key] {
        Value::Null => String::new(),
        Value::String(text) => format!("{key}: {text}\n"),
        other => format!("{key}: {other}\n"),
    };
    let message = notice.alert["message"].as_str().unwrap_or_default();
    let rest: String =
        ["rule", "subject", "value", "above", "since", "fired_at", "resolved_at"].map(line).concat();
    format!("{message}.\n\n{rest}")
}
