//! Steps: what has a checkpoint is never done again, wherever the worker dies.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tidemill::{Context, JobError, Store};
use tokio::sync::Notify;

use crate::support::{Db, Mill, MillBuilder, MortalMill, Session, job, ok, wait_for};

const STEPS: usize = 6;

/// How often each step ran, and where the next crash is to happen: before a step, between its work and its checkpoint, or after that.
#[derive(Default)]
struct Ledger {
    ran: Mutex<HashMap<String, usize>>,
    crash: Mutex<Option<String>>,
    /// Lets an attempt go on that stands where the crash was to be.
    go_on: Notify,
}

impl Ledger {
    /// Ends the attempt here as a crash would, once.
    async fn boundary(&self, place: String) {
        let hit = {
            let mut crash = self.crash.lock().unwrap();
            let hit = crash.as_deref() == Some(&place);
            if hit {
                *crash = None;
            }
            hit
        };
        if hit {
            // The worker is killed while the handler is here, unless it is to continue.
            self.go_on.notified().await;
        }
    }
}

async fn handle(ledger: Arc<Ledger>, context: Context) -> Result<Value, JobError> {
    let mut sum = 0;
    for n in 0..STEPS {
        ledger.boundary(format!("before {n}")).await;
        let step = format!("step-{n}");
        let counted = ledger.clone();
        let name = step.clone();
        sum += context
            .step(&step, || async move {
                *counted.ran.lock().unwrap().entry(name).or_default() += 1;
                // Done, and not stored yet.
                counted.boundary(format!("within {n}")).await;
                Ok(n)
            })
            .await?;
        ledger.boundary(format!("behind {n}")).await;
    }
    Ok(json!(sum))
}

fn mill(store: &Store, ledger: &Arc<Ledger>) -> MillBuilder {
    let ledger = ledger.clone();
    Mill::builder(store).handler("durable", move |context: Context| {
        let ledger = ledger.clone();
        async move { ok(handle(ledger, context).await?) }
    })
}

#[tokio::test]
async fn l1_no_step_runs_again_after_its_checkpoint_whichever_boundary_crashes() {
    let db = Db::new().await;
    for n in 0..STEPS {
        for place in [format!("before {n}"), format!("within {n}"), format!("behind {n}")] {
            let ledger = Arc::new(Ledger::default());
            *ledger.crash.lock().unwrap() = Some(place.clone());
            let id = db.enqueue(job("durable")).await;
            let first = MortalMill::start(&db, |store| mill(store, &ledger));
            wait_for("the crash", || async { ledger.crash.lock().unwrap().is_none().then_some(()) }).await;
            // Dead without a word; its lease runs out.
            first.kill();
            db.expire(id).await;
            db.sweep().await.unwrap();
            db.execute("update jobs_live set run_at = now()").await;
            let second = mill(&db.store, &ledger).start();
            wait_for("the job completes", || async { (db.state(id).await == "completed").then_some(()) })
                .await;
            assert_eq!(db.job(id).await.result, Some(json!(15)));
            let ran = ledger.ran.lock().unwrap().clone();
            // Work that has no checkpoint yet is all that may be done again.
            let expected = |step: &String| {
                if *step == format!("step-{n}") && place.starts_with("within") { 2 } else { 1 }
            };
            assert!(
                ran.len() == STEPS && ran.iter().all(|(step, times)| *times == expected(step)),
                "crashed {place}: {ran:?}"
            );
            second.stop().await;
        }
    }
    db.check_invariants().await;
}

#[tokio::test]
async fn l1_a_crash_while_a_checkpoint_is_on_its_way_leaves_it_stored_or_undone() {
    let db = Db::new().await;
    let ledger = Arc::new(Ledger::default());
    *ledger.crash.lock().unwrap() = Some("before 3".into());
    let id = db.enqueue(job("durable")).await;
    // Stands before step 3; then its checkpoint waits for the job's row, which somebody else holds.
    let mut holder = Session::begin(&db).await;
    let first = MortalMill::start(&db, |store| mill(store, &ledger));
    wait_for("it stands before step 3", || async { ledger.crash.lock().unwrap().is_none().then_some(()) })
        .await;
    holder.run(&format!("select 1 from jobs_live where id = '{id}' for update")).await.unwrap();
    ledger.go_on.notify_one();
    let saving = "pg_stat_activity where datname = current_database() and state = 'active' and query like '%save_step%'
        and pid <> pg_backend_pid()";
    wait_for("the checkpoint waits", || async {
        (db.count(&format!("{saving} and wait_event_type = 'Lock'")).await == 1).then_some(())
    })
    .await;
    first.kill();
    holder.run("rollback").await.unwrap();
    wait_for("the statement is over", || async { (db.count(saving).await == 0).then_some(()) }).await;
    let stored = db.steps(id).await.unwrap().iter().any(|step| step.name == "step-3");
    db.expire(id).await;
    db.sweep().await.unwrap();
    db.execute("update jobs_live set run_at = now()").await;
    let second = mill(&db.store, &ledger).start();
    wait_for("the job completes", || async { (db.state(id).await == "completed").then_some(()) }).await;
    assert_eq!(db.job(id).await.result, Some(json!(15)));
    let ran = ledger.ran.lock().unwrap()["step-3"];
    assert_eq!(ran, if stored { 1 } else { 2 }, "stored: {stored}");
    second.stop().await;
    db.check_invariants().await;
}

#[tokio::test]
async fn l1_a_step_is_seen_only_once_it_is_stored_and_extends_the_lease() {
    let db = Db::new().await;
    let claimed = db.running().await;
    let held = (claimed.id, claimed.lease_id);
    db.execute("update running set lease_expires_at = now() + interval '1 second'").await;
    assert!(db.steps(claimed.id).await.unwrap().is_empty());
    assert_eq!(db.save_step(held, "a", &json!({"n": 1}), false).await.unwrap(), Some(json!({"n": 1})));
    let left: f64 =
        db.scalar("select extract(epoch from lease_expires_at - now())::float8 from running").await;
    assert!(left > 25.0, "a checkpoint is a sign of life: {left}");
    // The first word counts; a cursor's last one does.
    assert_eq!(db.save_step(held, "a", &json!(2), false).await.unwrap(), Some(json!({"n": 1})));
    assert_eq!(db.save_step(held, "page", &json!(2), true).await.unwrap(), Some(json!(2)));
    assert_eq!(db.save_step(held, "page", &json!(3), true).await.unwrap(), Some(json!(3)));
    assert_eq!(db.event_types(claimed.id).await, ["step"]);
}

#[tokio::test]
async fn l1_a_worker_that_lost_its_lease_stores_no_step() {
    let db = Db::new().await;
    let claimed = db.running().await;
    db.expire(claimed.id).await;
    db.sweep().await.unwrap();
    for replace in [false, true] {
        let kept = db.save_step((claimed.id, claimed.lease_id), "late", &json!(1), replace).await.unwrap();
        assert_eq!(kept, None);
    }
    assert_eq!(db.sleep_step((claimed.id, claimed.lease_id), "nap", 1.0).await.unwrap(), None);
    assert_eq!(db.count("steps").await, 0);
}

#[tokio::test]
async fn a_crawl_goes_on_at_the_page_where_it_was() {
    let db = Db::new().await;
    let pages = Arc::new(Mutex::new(Vec::new()));
    let seen = pages.clone();
    let mill = Mill::builder(&db.store)
        .handler("crawl", move |context: Context| {
            let seen = seen.clone();
            async move {
                let from = context.cursor::<u32>("page").await?.map_or(1, |page| page + 1);
                for page in from..=10 {
                    seen.lock().unwrap().push(page);
                    context.save_cursor("page", &page).await?;
                    if page == 4 || page == 7 {
                        return Err(JobError::retry("the connection broke"));
                    }
                }
                ok(json!(10))
            }
        })
        .start();
    let id = db.enqueue(job("crawl")).await;
    wait_for("it completes", || async { (db.state(id).await == "completed").then_some(()) }).await;
    assert_eq!(*pages.lock().unwrap(), (1..=10).collect::<Vec<_>>(), "no page twice");
    mill.stop().await;
}

#[tokio::test]
async fn what_cannot_be_a_step_fails_with_its_name() {
    let db = Db::new().await;
    let mill = Mill::builder(&db.store)
        .handler("k", |context: Context| async move {
            context.step("big", || async { Ok("x".repeat(2 * 1024 * 1024)) }).await?;
            ok(None)
        })
        .start();
    let id = db.enqueue(job("k")).await;
    wait_for("it fails", || async { (db.state(id).await == "failed").then_some(()) }).await;
    let message = db.job(id).await.error.unwrap()["message"].as_str().unwrap().to_owned();
    assert!(message.starts_with("step big: its output has 2097154 bytes"), "{message}");
    mill.stop().await;
}
