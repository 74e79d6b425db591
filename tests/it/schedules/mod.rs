//! Schedules: once a slot with any number of schedulers, catching up, overlaps, and what people do
//! while they run. Due slots are made by moving `next_at`, never by waiting.

mod actions;
mod fire;
mod overlap;
mod sql;

use tidemill::Store;
use tidemill::store::schedule_slots::Fired;

use crate::support::Db;

/// What a scheduler does in one look; answers what became of the slots that were due.
async fn look(store: &Store) -> Vec<Fired> {
    release(store).await;
    let mut all = Vec::new();
    for pending in store.pending_schedules().await.unwrap() {
        all.extend(store.advance_schedule(&pending).await.unwrap());
    }
    all
}

/// Enqueues the held slots that can be; answers their schedules.
async fn release(store: &Store) -> Vec<String> {
    let names = store.releasable_schedules().await.unwrap();
    for name in &names {
        assert!(store.release_slot(name).await.unwrap().is_some());
    }
    names
}

/// The outcomes of one look.
async fn outcomes(store: &Store) -> Vec<&'static str> {
    look(store).await.into_iter().map(|fired| fired.outcome.word()).collect()
}

/// Makes a schedule with slots every hour, the last of which was some seconds ago and `hours` before.
async fn hourly(db: &Db, name: &str, options: &str) {
    db.execute(format!("select set_schedule('{name}', 'k', every => '1 hour'{options})")).await;
    look(db).await;
}

/// Makes a slot due that was so many hours and ten seconds ago.
async fn due(db: &Db, name: &str, hours: i32) {
    db.execute(format!(
        "update schedules
         set anchor_at = now() - interval '10 seconds', next_at = now() - interval '10 seconds' - interval '{hours} hours'
         where name = '{name}'"
    ))
    .await;
}

/// How many jobs a schedule made.
async fn jobs(db: &Db, name: &str) -> i64 {
    db.count(&format!("jobs where metadata ->> 'schedule' = '{name}'")).await
}
